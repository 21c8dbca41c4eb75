"""The course: checks of what students write in the six labs (``course/``)."""

from fer_utils.course.checking import NotYet, check
