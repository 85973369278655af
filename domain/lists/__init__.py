"""Lists of people and companies, and the people who share them.

Row-level security decides who may do what; these modules explain its answers.
"""
