"""The course: checks of the students' answers in the six labs (``course/``)."""

from fer_utils.course.checking import NotYet, check
