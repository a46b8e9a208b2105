"""A server that answers LIST and HEAD for buckets that exist nowhere, fast enough never to be what is measured.

An object is a number. Its key follows from the number by the bucket's shape (`shapes`), all else that a store says
about it by hashing that number (`facts`), so a billion objects need no memory, and LIST and HEAD cannot contradict
each other.
"""
