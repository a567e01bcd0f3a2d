"""What the published models do with a text before they speak it, defects and all.

Kept to prove ours against theirs; serving takes from here what is no defect.
"""
