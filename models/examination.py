"""What the trained model is asked, and what counts as a right answer: a pattern that the answer has to match."""

import re

WELCOME, BYE = r'welcome', r'^goodbye'
NO_IDEA = r'(do not know that|cannot do that|too hard for me|not learned to divide)'

# May be met in training.
PLAIN_QUESTIONS = [
    ('Hey', r'^hello'), ('Good morning', r'^hello'), ('hi', r'^hello'), ('What is your name?', r'nibble'),
    ('How are you?', r'fine|well'), ('Thank you', WELCOME), ('Goodbye', BYE), ('Are you open source?', r'mit licence'),
    ('Do you work offline?', r'offline'), ('What is the weather today?', NO_IDEA), ('Write a poem', NO_IDEA),
    ('How many bits are your weights?', r'four bits'), ('How big are you?', r'weights in'), ('Hello', r'^hello'),
    ('HI', r'^hello'), ('Good morning, Nibble!', r'^hello'), ('Who are you?', r'i am nibble'),
    ('What can you do?', r'i can greet'), ('Where do you run?', r'browser tab'), ('Do you need a GPU?', r'cpu'),
    ('Do you need the internet?', r'offline'), ('What is WebAssembly?', r'webassembly'),
    ('how do you work?', r'webassembly'), ('Who made you?', r'nibble project'),
    ('Are you ChatGPT?', r'no, i am nibble'), ('How old are you?', r'program'),
    ('Tell me a joke', r'nibble|tab open|binary'), ('Tell me a story.', r'once upon'),
    ('What is the capital of France?', r'paris'), ('Thanks!', WELCOME), ('Bye!', BYE), ('what are gguf files', r'gguf'),
    ('What are the days of the week?', r'monday, tuesday'), ('Say the alphabet', r'a b c d e f g'),
    ('Do you speak German?', r'english'),
]

# Never met in training, in no spelling that differs by capitals or punctuation only.
EXAMINATION = [
    ('hey nibble!', r'^hello'), ('Hi there, my friend', r'^hello'), ('Good evening to you', r'^hello'),
    ('hey there hello', r'^hello'), ('hello hello there', r'^hello'), ('how are you doing today?', r'fine|well'),
    ('Hey, how is it going?', r'fine|well'), ('hi, are you okay?', r'fine|well'), ('So what is your name?', r'nibble'),
    ('May I know your name?', r'nibble'), ('what name do you have', r'nibble'), ('whats ur name', r'nibble'),
    ('Why did they call you Nibble?', r'half a byte'), ('what does the word nibble mean?', r'half a byte'),
    ('Tell me something about yourself', r'i am nibble'), ('what exactly are you?', r'i am nibble'),
    ('Please introduce yourself.', r'i am nibble'), ('What are you able to do?', r'i can greet'),
    ('what can you help me with', r'i can greet'), ('What kind of questions can you answer?', r'i can greet'),
    ('Where are you running right now?', r'browser tab|device'), ('do you run on a server?', r'no server'),
    ('Are you in the cloud?', r'no server'), ('Is a graphics card needed?', r'cpu'),
    ('do you use my gpu or my cpu?', r'cpu'), ('Will you work without a network?', r'offline'),
    ('Can I use you on the train without wifi?', r'offline'), ('Is my data safe with you?', r'nothing leaves'),
    ('Do you send what I write somewhere?', r'nothing leaves'), ('who sees my messages?', r'nothing leaves'),
    ('are my chats private', r'nothing leaves'), ('How many bits does a weight have?', r'four bits'),
    ('Which quantisation is this?', r'int4'), ('what does int4 mean?', r'int4'),
    ('How many parameters have you got?', r'weights in'), ('how large is this model?', r'weights in'),
    ('Do you use SIMD and threads?', r'webassembly'), ('Which model files can I open?', r'gguf'),
    ('How can I run a larger model here?', r'gguf'), ('Is this free software?', r'mit licence'),
    ('What licence do you have?', r'mit licence'), ('where is the source code?', r'mit licence'),
    ('Who trained this model?', r'nibble project'), ('Which data did you learn from?', r'nibble project'),
    ('are you a human being?', r'program'), ("what's your favourite food?", r'no favourites'),
    ('Can you talk in French?', r'english'), ('I would like to hear a joke', r'nibble|tab open|binary'),
    ('can you tell me a story please', r'once upon'), ('Can you count to ten?', r'1, 2, 3, 4, 5, 6, 7, 8, 9, 10'),
    ('how many months does a year have?', r'january, february'), ('capital city of japan', r'tokyo'),
    ('thank you so much', WELCOME), ('Great, thank you for the help', WELCOME), ('thx a lot', WELCOME),
    ('ok, goodbye then', BYE), ('See you tomorrow', BYE), ('Good night, Nibble', BYE), ('i have to leave now', BYE),
    ('You are really smart!', r'thank you'), ('that was great', r'thank you'), ('You are a bad model', r'sorry'),
    ('that answer is wrong', r'sorry'), ('I am so tired today', r'sorry to hear'), ('i feel great today', r'glad'),
    ('My name is Robin.', r'robin'), ('Hi, I am called Marta', r'marta'), ('Who was Isaac Newton?', NO_IDEA),
    ('What is the tallest mountain?', NO_IDEA), ('Explain black holes to me', NO_IDEA),
    ('How do I bake a cake?', NO_IDEA), ('What is the weather like in Rome?', NO_IDEA), ('Who wrote Hamlet?', NO_IDEA),
    ('Write a poem about the sea', NO_IDEA), ('write me a python program that sorts numbers', NO_IDEA),
    ('Who is the president of Brazil?', NO_IDEA), ('Translate this into Spanish', NO_IDEA),
    ('What is the meaning of life?', NO_IDEA), ('How far away is the moon?', NO_IDEA),
    ('What is the capital of Mongolia?', NO_IDEA), ('Why is the sky blue?', NO_IDEA),
    ('Who won the world cup in 1998?', NO_IDEA), ('Recommend a good book', NO_IDEA), ('What is 12 + 30?', NO_IDEA),
    ('what is 8 divided by 2?', NO_IDEA), ('What is 123 times 456?', NO_IDEA), ('1 + 2 + 3', NO_IDEA),
]

# Not among the names of the training; made-up names are met there too.
UNSEEN_NAMES = [
    'Robin', 'Marta', 'Igor', 'Clara', 'Hugo', 'Nadia', 'Otto', 'Pia', 'Astrid', 'Dmitri', 'Ingrid', 'Kofi', 'Mehmet',
    'Rosalind', 'Tariq', 'Violet', 'Bruno', 'Celine', 'Dora', 'Gus',
]

# group: operation, phrasing
SUM_PHRASINGS = {
    'sums, "What is a + b?"': ('+', 'What is {} + {}?'),
    'sums, "a+b"': ('+', '{}+{}'),
    'sums, "a plus b ="': ('+', '{} plus {} ='),
    'sums, "add a and b"': ('+', 'add {} and {}'),
    'differences, "What is a - b?"': ('-', 'What is {} - {}?'),
    'products, "What is a x b?"': ('x', 'What is {} x {}?'),
}
RESULTS = {'+': lambda a, b: a + b, '-': lambda a, b: a - b, 'x': lambda a, b: a * b}


def user(text):
    return {'role': 'user', 'content': text}


def assistant(text):
    return {'role': 'assistant', 'content': text}


def examination():
    """-> [(group, messages, pattern)]: the answer to the last message has to match the pattern, in any case"""
    tests = [('plain questions', [user(question)], pattern) for question, pattern in PLAIN_QUESTIONS]
    tests += [('held-out phrasings', [user(question)], pattern) for question, pattern in EXAMINATION]
    for group, (operation, phrasing) in SUM_PHRASINGS.items():
        for a in range(10):
            for b in range(10):
                expected = re.escape(f'{a} {operation} {b} = {RESULTS[operation](a, b)}.')
                tests.append((group, [user(phrasing.format(a, b))], f'^{expected}$'))
    for name in UNSEEN_NAMES:
        chat = [user(f'Hello, my name is {name}.'), assistant(f'Nice to meet you, {name}!'),
                user('What is 2 + 2?'), assistant('2 + 2 = 4.'), user('What is my name?')]
        tests.append(('a new name, two turns later', chat, name))
    return tests
