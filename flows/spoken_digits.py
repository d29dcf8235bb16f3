"""Digits as a voice should say them."""

WORDS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
}
WHOLE = 5  # up to so many digits are said in one go, with a breath between them


def groups(digits: str) -> list[str]:
    """Digits as people group them: by three, and never one alone.

    ``472`` stays whole, ``5550123`` is ``555 0123``, ``12345678`` is ``123 456 78``.
    """
    if len(digits) <= WHOLE:
        return [digits] if digits else []
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    if len(parts[-1]) == 1:
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts


def read_back(digits: str, language: str = "en") -> str:
    """``four, seven, two`` or, longer, ``five five five, zero one two three``.

    Args:
        digits: What was keyed.
        language: BCP 47 tag; where its words are not known the digits stand apart.
    """
    words = WORDS.get(language.split("-")[0].lower(), tuple("0123456789"))
    said = [[words[int(digit)] for digit in group] for group in groups(digits)]
    if len(said) == 1:
        return ", ".join(said[0])
    return ", ".join(" ".join(group) for group in said)
