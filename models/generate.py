"""Write the conversations that Nibble's default model learns from.

    python3 models/generate.py --count 5 --seed 1        # five conversations as JSON lines

Everything is made here, from the patterns in topics.txt and phrasings.py: no text is taken from anywhere. A
conversation is a list of {"role", "content"} messages. Equal seeds give equal conversations. The questions that
examination.py holds out never occur, so that answering them shows more than memory.
"""

import argparse
import json
import random
import re
from pathlib import Path

from examination import EXAMINATION
from phrasings import (
    ASK_NAME, ASK_SUM, ASK_VERB, CAPITAL_QUESTIONS, CAPITALS, DIVIDE_ANSWER, DIVISIONS, FREQUENT_TOPICS, NUMBER_WORDS,
    SLOTS, SUMS, SYSTEM_PROMPTS, TELL_NAME, TOO_BIG_ANSWER, UNABLE_ANSWERS, UNABLE_QUESTIONS, UNKNOWN_ANSWERS,
    UNKNOWN_QUESTIONS, VERBS,
)

# ---- From patterns to text -----------------------------------------------------------------------------------------

GROUP = re.compile(r'\(([^()]*)\)')
SLOT = re.compile(r'\{(\w+)\}')
VOWELS, CONSONANTS, CODAS = 'aeiou', 'bcdfghjklmnprstvwz', 'nrstlmk'


def read_topics(path):
    """topics.txt -> {topic: (patterns of the question, answers)}"""
    topics = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        if line.startswith('['):
            patterns, answers = topics.setdefault(line.strip('[]'), ([], []))
        elif line.startswith(('? ', '! ')):
            (patterns if line[0] == '?' else answers).append(line[2:])
    return topics


TOPICS = read_topics(Path(__file__).with_name('topics.txt'))


def normalised(text):
    """Letters, digits and operators only, so that two spellings of a question compare equal."""
    return re.sub(r'[^a-z0-9+*/-]+', ' ', text.lower()).strip()


HELD_OUT = {normalised(question) for question, _ in EXAMINATION}


def pseudo_word(rng):
    """A word that means nothing, like "tobrik": the model must know what it does not know."""
    syllables = [rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(['', '', rng.choice(CODAS)])
                 for _ in range(rng.randint(1, 3))]
    return rng.choice(['', rng.choice(VOWELS)]) + ''.join(syllables)


def fill(match, rng):
    slot = match.group(1)
    if slot == 'pseudo' or (slot in ('thing', 'person', 'place') and rng.random() < 0.12):
        return pseudo_word(rng)
    return str(rng.randrange(10)) if slot == 'digit' else rng.choice(SLOTS[slot])


def expand(pattern, rng):
    """One of the texts that a pattern stands for."""
    while GROUP.search(pattern):
        pattern = GROUP.sub(lambda match: rng.choice(match.group(1).split('|')), pattern, count=1)
    text = SLOT.sub(lambda match: fill(match, rng), pattern)
    return re.sub(r' +(?=[ .,]|$)', '', text).strip()


# ---- Sums -----------------------------------------------------------------------------------------------------------

OPERATOR_WORDS = {'+': 'plus', '-': 'minus', '−': 'minus', '*': 'times', '×': 'times'}
OPERATIONS = {'+': lambda a, b: a + b, '-': lambda a, b: a - b, 'x': lambda a, b: a * b}


def sum_answer(a, operation, b):
    result = OPERATIONS[operation](a, b)
    return f'{a} {operation} {b} = {result}.'


def ask_sum(phrase, rng):
    question = rng.choice(ASK_VERB if phrase.startswith(VERBS) else ASK_SUM).format(phrase)
    if rng.random() < 0.1:
        question = re.sub(r' ?([-+*]) ?', rng.choice([r' \1', r'\1 ']), question)
    return question + rng.choice(['', '?']) if not question.endswith('=') else question


def sum_turn(rng):
    a, b = rng.randrange(10), rng.randrange(10)
    operation = rng.choice('+++++---xx')
    phrase = rng.choice(SUMS[operation])
    if rng.random() < 0.35 and '{a} ' in phrase + ' ':
        shown = (NUMBER_WORDS[a], NUMBER_WORDS[b])
        if rng.random() < 0.9:
            phrase = re.sub('[-+*−×]', lambda match: OPERATOR_WORDS[match.group()], phrase)
    else:
        shown = (a, b)
    return ask_sum(phrase.format(a=shown[0], b=shown[1]), rng), sum_answer(a, operation, b)


def hard_sum_turn(rng):
    """Sums that are out of reach get an honest answer instead of a wrong number."""
    def big():
        return rng.choice([rng.randint(10, 99), rng.randint(10, 99), rng.randint(100, 9999)])

    kind = rng.randrange(4)
    if kind == 0:
        a, b = rng.randrange(10), rng.randrange(10)
        phrase = rng.choice(DIVISIONS)
        if rng.random() < 0.3:
            a, b = (NUMBER_WORDS[a], NUMBER_WORDS[b]) if rng.random() < 0.5 else (big(), b)
        return ask_sum(phrase.format(a=a, b=b), rng), DIVIDE_ANSWER
    if kind == 1:
        operations = [rng.choice([' + ', '+', ' - ', ' * ', ' plus ', ' times ']) for _ in range(rng.randint(2, 3))]
        phrase = str(rng.randrange(10)) + ''.join(operation + str(rng.randrange(10)) for operation in operations)
        return ask_sum(phrase, rng), TOO_BIG_ANSWER
    phrase = rng.choice(SUMS[rng.choice('++-x')])
    a, b = rng.choice([(big(), big()), (big(), rng.randrange(10)), (rng.randrange(10), big())])
    return ask_sum(phrase.format(a=a, b=b), rng), TOO_BIG_ANSWER


# ---- Turns and conversations ----------------------------------------------------------------------------------------


def topic_turn(rng, facts):
    phrasings, answers = TOPICS[rng.choice([*TOPICS, *FREQUENT_TOPICS])]
    return expand(rng.choice(phrasings), rng), rng.choice(answers).format(**facts)


def capital_turn(rng):
    country = rng.choice(list(CAPITALS))
    question = expand(rng.choice(CAPITAL_QUESTIONS), rng)
    if rng.random() < 0.5:
        other = rng.choice(SLOTS['place'] + [pseudo_word(rng) for _ in range(20)])
        return question.replace('{}', other), UNKNOWN_ANSWERS[0]
    return question.replace('{}', country), f'The capital of {country.title()} is {CAPITALS[country]}.'


def unknown_turn(rng):
    is_fact = rng.random() < 0.7
    pattern = rng.choice(UNKNOWN_QUESTIONS if is_fact else UNABLE_QUESTIONS)
    return expand(pattern, rng), rng.choice(UNKNOWN_ANSWERS if is_fact else UNABLE_ANSWERS)


def name_turn(rng, known):
    """Telling or asking the name of the user. `known` is the name told before, or None. -> question, answer, name"""
    if known is None or rng.random() < 0.3:
        if rng.random() < 0.15 and known is None:
            return rng.choice(ASK_NAME), 'You have not told me your name yet.', None
        name = pseudo_word(rng) if rng.random() < 0.7 else rng.choice(SLOTS['name'])
        name = name.capitalize() if rng.random() < 0.8 else name
        return rng.choice(TELL_NAME).format(name), f'Nice to meet you, {name}!', name
    return rng.choice(ASK_NAME), f'Your name is {known}.', known


# A key beside each on the keyboard, more or less.
NEIGHBOURS = dict(zip('abcdefghijklmnopqrstuvwxyz', 'snvfrdhgukjokmpalwetyivczs'))


def typo(text, rng):
    """One slip of the finger inside a word of letters."""
    places = [match.start() + 1 for match in re.finditer(r'(?<=[a-z])[a-z](?=[a-z])', text)]
    if not places:
        return text
    at = rng.choice(places) - 1
    kind = rng.randrange(4)
    middle = ['', text[at] * 2, text[at + 1] + text[at], NEIGHBOURS[text[at]]][kind]
    return text[:at] + middle + text[at + (2 if kind == 2 else 1):]


OPENINGS = ['', '', '', '', 'hi, ', 'hello! ', 'please, ', 'nibble, ', 'so ', 'ok, ', 'hey nibble, ', 'and ', 'now ']
CLOSINGS = [' please', ', nibble', ' now', ', please', '']
ASKS = re.compile(
    r'(hi, |hello! |so |ok, |and )?'
    r'(what|who|where|how|why|when|which|do|does|can|could|is|are|will|may|did|have|am|should)\b', re.IGNORECASE)


def vary(question, rng, exact=False):
    """Spell one question the way different people would. `exact` leaves the letters of its words alone."""
    text = question
    if rng.random() < 0.5:
        if rng.random() < 0.3:
            text = re.sub(r"\b(what|who|where|how|that|name|it) is\b", r"\1's", text)
        if rng.random() < 0.3:
            text = text.replace("'", '')
        if len(text) > 6:
            text = rng.choice(OPENINGS) + text
        if rng.random() < 0.15 and len(text) > 6:
            text = text.rstrip('?') + rng.choice(CLOSINGS)
    text = re.sub(r"\bi\b", 'I', text) if rng.random() < 0.8 else text
    text = re.sub(r"\bnibble\b", 'Nibble', text) if rng.random() < 0.6 else text
    if rng.random() < 0.12 and len(text) > 5 and not exact:
        text = typo(text, rng)
    style = 0 if exact else rng.random()
    if style < 0.55:
        text = text[:1].upper() + text[1:]
    elif style < 0.60:
        text = text.upper()
    elif style < 0.63:
        text = text.title()
    if text[-1:].isalnum():
        asks = ASKS.match(text)
        text += rng.choice(['?', '?', '?', '', '', ' ?', '??'] if asks else ['.', '', '', '', '!', '!', '...'])
    return text


def turn(rng, known, facts):
    """-> question, answer, the user's name as known afterwards"""
    kind = rng.random()
    if kind < (0.08 if known is None else 0.25):
        return name_turn(rng, known)
    kind = rng.random()
    if kind < 0.20:
        return *sum_turn(rng), known
    if kind < 0.25:
        return *hard_sum_turn(rng), known
    if kind < 0.28:
        return *capital_turn(rng), known
    if kind < 0.44:
        return *unknown_turn(rng), known
    return *topic_turn(rng, facts), known


def conversation(rng, facts, turns):
    """A list of messages: perhaps a system prompt, then as many turns as asked for."""
    messages = []
    if rng.random() < 0.25:
        messages.append({'role': 'system', 'content': expand(rng.choice(SYSTEM_PROMPTS), rng)})
    known = None
    while turns > 0:
        question, answer, known_after = turn(rng, known, facts)
        question = vary(question, rng, exact=known_after is not None and known_after in question)
        if not question or normalised(question) in HELD_OUT:
            continue
        known = known_after
        messages += [{'role': 'user', 'content': question}, {'role': 'assistant', 'content': answer}]
        turns -= 1
    return messages


def main():
    parser = argparse.ArgumentParser(description='Write training conversations as JSON lines.')
    parser.add_argument('--count', type=int, default=10)
    parser.add_argument('--seed', type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    facts = {'size': '0.9 million', 'layers': 'four', 'tokens': 768, 'context': 512}
    for _ in range(arguments.count):
        print(json.dumps(conversation(rng, facts, rng.randint(1, 4))))


if __name__ == '__main__':
    main()
