"""Several processes behind one address: who starts them, and how do they speak with one another?"""
