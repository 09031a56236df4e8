import unittest


class A(unittest.TestCase):
    def test_one(self):
        raise RuntimeError("no database")

    def test_two(self):
        self.assertTrue(False)
