"""The museum of chapter ``data``."""

from mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "a filter that eats Korean",
        "text/data/rules.py",
        "sum(any(map(str.isalpha, word)) for word in words)",
        'sum(bool(re.search("[a-zA-Z]", word)) for word in words)',
        "tests/test_data.py::test_the_usual_rules_eat_no_clean_page[ko]",
    ),
    Mutant(
        "a test set that stays in the training data",
        "text/data/shingles.py",
        "    plain = [essence(text) for text in texts]",
        '    plain = [" ".join(text.split()) for text in texts]',
        "tests/test_data.py::test_no_leak_survives_in_whatever_disguise",
    ),
    Mutant(
        "orders that are one order, shifted",
        "text/data/minhash.py",
        "    return Orders(factors | np.uint64(1), shifts)",
        "    return Orders(np.full_like(factors, 0x9E3779B97F4A7C15), shifts)",
        "tests/test_minhash.py::test_the_error_is_the_theoretical_one[0.5]",
    ),
    Mutant(
        "whoever resembles a removed page goes, too",
        "text/data/lsh.py",
        "        if kept[i]:\n",
        "        if i >= 0:\n",
        "tests/test_minhash.py::test_who_is_kept_resembles_nobody_kept_and_clusters_are_components",
    ),
    Mutant(
        "a mix by documents, not by their size",
        "text/data/mixing.py",
        "given[name] += max(size(document), 1)",
        "given[name] += 1",
        "tests/test_data.py::test_a_mix_keeps_its_shares_in_size_and_reads_everything_as_often",
    ),
]
