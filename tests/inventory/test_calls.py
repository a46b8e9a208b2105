from __future__ import annotations

import pytest

from stocktake.inventory.calls import CallPlan, call_plan
from stocktake.model.fields import choose_fields, report_fields


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ([], CallPlan()),
        (["default"], CallPlan()),
        (["free"], CallPlan(owner=True)),
        (["RestoreStatus"], CallPlan(restore=True)),
        (["PartsCount", "ChecksumType"], CallPlan()),
        (["EncryptionStatus"], CallPlan(head=True)),
        (["EncryptionStatus", "ChecksumAlgorithm"], CallPlan(head=True, checksums=("checksum_algorithm",))),
        (["ChecksumValue"], CallPlan(head=True, checksums=("checksum_value",))),
        (["ObjectTags"], CallPlan(tagging=True)),
        (["ObjectAccessControlList"], CallPlan(acl=True)),
        (["IntelligentTieringReferenceDate"], CallPlan()),
        (["all"], CallPlan(owner=True, head=True, checksums=("checksum_algorithm",), acl=True)),
    ],
)  # fmt: skip
def test_the_plan_asks_for_no_more_than_the_fields_need(words: list[str], plan: CallPlan) -> None:
    assert call_plan(report_fields(choose_fields(words), all_versions=False)) == plan
