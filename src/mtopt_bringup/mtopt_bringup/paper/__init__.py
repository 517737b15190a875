"""MT-Opt's experiment (arXiv 2104.08212, section VI): one data set, many learners, one table."""
