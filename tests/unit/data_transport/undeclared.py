"""Functions that declare no result type: it is inferred from their source."""


def number():
    return 3


def record():
    def inner():
        return "no concern of ours"

    return {"id": 1, "tags": ["a"], "when": inner()}


def either(flag=True):
    if flag:
        return {"id": 1}
    return None


def spread():
    return {**record()}


def nothing():
    print("nothing")


def pair():
    return 1, "a"


def yielding():
    yield 1
