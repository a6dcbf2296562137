"""The models of the study of post-training: who has seen which requests."""

from dataclasses import replace

import align_models
import study_align


def test_the_stages_were_measured_on_requests_that_none_of_them_had_seen():
    plan = study_align.Plan()
    shared = align_models.setting(plan)
    known = {made.request for made in shared.train}
    assert len(shared.measured) == plan.requests == 256 and len(shared.train) == 3000
    assert not known & {made.request for made in shared.measured}
    trials = align_models.setting(replace(plan, split="validation"))
    assert trials.measured != shared.measured
