import unittest


class Demo(unittest.TestCase):
    def test_add(self):
        self.assertEqual(1 - 1, 2)

    def test_fine(self):
        pass
