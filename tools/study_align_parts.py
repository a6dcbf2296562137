"""What chapters 17, 18 and 19 show besides the table of ``study_align``; run through that file."""

import study_align

PARTS = {"align": study_align.align}
