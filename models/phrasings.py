"""The rest of what conversations are made of: sums, names, capitals, and questions that have no answer here.

Patterns are those of topics.txt. The answers to sums and names are put together by generate.py.
"""

# Topics met more often than the others, as they will be in real chats.
FREQUENT_TOPICS = [
    'greeting', 'greeting', 'greeting', 'greeting', 'who are you', 'abilities', 'thanks', 'goodbye', 'who are you',
    'abilities', 'thanks', 'goodbye', 'name', 'how are you', 'gguf', 'wasm', 'where',
]

CAPITALS = {
    'france': 'Paris', 'germany': 'Berlin', 'italy': 'Rome', 'spain': 'Madrid', 'japan': 'Tokyo', 'england': 'London',
    'poland': 'Warsaw', 'ukraine': 'Kyiv', 'greece': 'Athens', 'egypt': 'Cairo', 'norway': 'Oslo', 'portugal': 'Lisbon',
    'austria': 'Vienna', 'ireland': 'Dublin', 'russia': 'Moscow', 'china': 'Beijing',
}
CAPITAL_QUESTIONS = [
    "(what is|what's|tell me|do you know|name|) (the|) capital (city |)of {}", '(what|which) city is the capital of {}',
    "{}'s capital", "(what is|what's) {}'s capital", 'capital {}',
]

# ---- The user's name, which it can repeat ---------------------------------------------------------------------------

TELL_NAME = [
    'my name is {}', 'my name is {}', 'i am {}', "i'm {}", 'i am called {}', 'call me {}', 'please call me {}',
    'people call me {}', 'hi, i am {}', 'hello, my name is {}', 'hi my name is {}', "hey, i'm {}", 'you can call me {}',
    'the name is {}', 'hi, call me {}', '{} is my name',
]
ASK_NAME = [
    'what is my name', "what's my name", 'who am i', 'do you know my name', 'do you remember my name', 'say my name',
    'what am i called', 'tell me my name', 'can you remember my name',
]

# ---- Sums -----------------------------------------------------------------------------------------------------------

NUMBER_WORDS = 'zero one two three four five six seven eight nine'.split()

SUMS = {
    '+': [
        '{a}+{b}', '{a} + {b}', '{a} plus {b}', 'add {a} and {b}', 'the sum of {a} and {b}', '{a} and {b} together',
        'add {b} to {a}', 'the total of {a} and {b}', '{a} apples and {b} apples', '{a} and {b}',
    ],
    '-': [
        '{a}-{b}', '{a} - {b}', '{a} minus {b}', 'subtract {b} from {a}', '{a} take away {b}', '{a} less {b}',
        '{a} − {b}', 'the difference of {a} and {b}',
    ],
    'x': [
        '{a}*{b}', '{a} * {b}', '{a} x {b}', '{a}x{b}', '{a} times {b}', 'multiply {a} by {b}',
        'the product of {a} and {b}', 'multiply {a} and {b}', '{a} multiplied by {b}', '{a} × {b}', '{a}×{b}',
    ],
}
DIVISIONS = [
    '{a}/{b}', '{a} / {b}', '{a} divided by {b}', 'divide {a} by {b}', '{a} : {b}', '{a} over {b}', '{a} ÷ {b}',
]
VERBS = ('add', 'subtract', 'multiply')
ASK_SUM = [
    'what is {}', 'what is {}', 'what is {}', "what's {}", '{}', '{}', '{} =', '{} is', '{}=', 'how much is {}',
    'calculate {}', 'can you tell me what {} is', 'tell me {}', 'what does {} make', 'please compute {}',
    'do you know {}', 'and {}', 'what about {}', 'solve {}', 'how much does {} make',
]
ASK_VERB = ['{}', 'please {}', 'can you {}', '{} please', 'now {}']

# ---- What it cannot answer: patterns and words for endless questions -------------------------------------------------

UNKNOWN_ANSWERS = ['I do not know that. I am a very small model.']
UNABLE_ANSWERS = ['I cannot do that. I am a very small model.']
TOO_BIG_ANSWER = 'That is too hard for me. I only know sums with two one-digit numbers.'
DIVIDE_ANSWER = 'I have not learned to divide. I can add, subtract and multiply one-digit numbers.'

SLOTS = {
    'thing': [
        'water', 'fire', 'gold', 'iron', 'light', 'gravity', 'time', 'money', 'love', 'music', 'art', 'history',
        'science', 'physics', 'chemistry', 'biology', 'energy', 'electricity', 'space', 'sound', 'democracy', 'freedom',
        'happiness', 'philosophy', 'religion', 'war', 'peace', 'food', 'bread', 'cheese', 'coffee', 'tea', 'chocolate',
        'pasta', 'pizza', 'soup', 'rice', 'wine', 'beer', 'sugar', 'salt', 'football', 'chess', 'tennis', 'swimming',
        'running', 'cars', 'trains', 'planes', 'boats', 'bicycles', 'computers', 'phones', 'robots', 'rockets', 'books',
        'films', 'games', 'painting', 'dancing', 'cats', 'dogs', 'horses', 'birds', 'fish', 'elephants', 'tigers',
        'whales', 'trees', 'flowers', 'roses', 'mountains', 'rivers', 'oceans', 'deserts', 'rain', 'snow', 'wind',
        'weather', 'climate', 'summer', 'winter', 'the sun', 'the moon', 'mars', 'jupiter', 'stars', 'galaxies',
        'black holes', 'atoms', 'molecules', 'cells', 'dna', 'the brain', 'the heart', 'blood', 'bones', 'medicine',
        'vitamins', 'sleep', 'dreams', 'memory', 'school', 'university', 'maths', 'algebra', 'geometry', 'calculus',
        'probability', 'statistics', 'python', 'java', 'rust', 'linux', 'windows', 'databases', 'the internet',
        'encryption', 'bitcoin', 'banks', 'taxes', 'inflation', 'the economy', 'politics', 'elections', 'law',
        'justice', 'history', 'the romans', 'the vikings', 'dinosaurs', 'volcanoes', 'earthquakes', 'evolution',
        'photosynthesis', 'quantum mechanics', 'relativity', 'machine learning', 'neural networks', 'transformers',
        'attention', 'a compiler', 'a kernel', 'a browser', 'a pixel', 'glass', 'plastic', 'wood', 'steel', 'paper',
        'cotton', 'leather', 'shoes', 'hats', 'clocks', 'bridges', 'castles', 'churches', 'museums', 'guitars',
        'pianos', 'violins', 'opera', 'jazz', 'poetry', 'grammar', 'verbs', 'nouns', 'english food', 'my cat', 'my dog',
        'my car', 'my job', 'my house', 'my boss', 'a recipe', 'a cake', 'a holiday', 'a garden',
    ],
    'place': [
        'peru', 'brazil', 'canada', 'mexico', 'india', 'kenya', 'nigeria', 'cuba', 'chile', 'iran', 'iraq', 'turkey',
        'sweden', 'finland', 'denmark', 'belgium', 'hungary', 'romania', 'bulgaria', 'serbia', 'croatia', 'latvia',
        'estonia', 'vietnam', 'thailand', 'korea', 'nepal', 'australia', 'argentina', 'colombia', 'morocco', 'algeria',
        'ghana', 'ethiopia', 'africa', 'europe', 'asia', 'america', 'new york', 'chicago', 'boston', 'texas',
        'california', 'london', 'paris', 'berlin', 'sydney', 'toronto', 'mumbai', 'the world', 'the usa', 'switzerland',
        'iceland', 'the netherlands', 'israel', 'pakistan', 'indonesia', 'mongolia',
    ],
    'person': [
        'einstein', 'newton', 'mozart', 'beethoven', 'shakespeare', 'napoleon', 'cleopatra', 'caesar', 'picasso',
        'darwin', 'gandhi', 'lincoln', 'turing', 'curie', 'tesla', 'edison', 'bach', 'plato', 'aristotle', 'socrates',
        'homer', 'dante', 'goethe', 'tolstoy', 'pasteur', 'elvis', 'the beatles', 'the queen', 'the king', 'the pope',
        'the president', 'the prime minister', 'batman', 'spiderman', 'santa', 'harry potter', 'sherlock holmes',
        'my mother', 'my brother', 'my teacher', 'columbus', 'galileo', 'leonardo',
    ],
    'does': [
        'work', 'fly', 'swim', 'grow', 'burn', 'move', 'exist', 'matter', 'melt', 'break', 'eat', 'sleep', 'sing',
        'cost', 'taste', 'smell', 'look', 'feel', 'help', 'change', 'begin', 'end', 'shine', 'fall', 'turn', 'blue',
        'green', 'red', 'so big', 'so small', 'so expensive', 'so hard', 'dangerous', 'important', 'good', 'bad',
    ],
    'act': [
        'cook', 'bake', 'build', 'make', 'fix', 'clean', 'draw', 'paint', 'buy', 'sell', 'find', 'open', 'learn',
        'teach', 'understand', 'explain', 'write', 'play', 'plant', 'grow', 'repair', 'install', 'start', 'stop', 'win',
        'lose', 'wash', 'measure', 'cut', 'boil', 'fry', 'translate', 'invent', 'design',
    ],
    'name': [
        'anna', 'ben', 'carla', 'david', 'emma', 'felix', 'grace', 'henry', 'ida', 'jack', 'kate', 'leo', 'mia', 'noah',
        'olga', 'paul', 'rosa', 'sam', 'tina', 'victor', 'wendy', 'yusuf', 'zoe', 'alice', 'bob', 'charlie', 'diana',
        'eva', 'frank', 'george', 'hanna', 'ivan', 'julia', 'karl', 'lena', 'maria', 'nina', 'oscar', 'peter', 'ruth',
        'simon', 'tom', 'ursula', 'vera', 'walter', 'xenia', 'yara', 'zack', 'alex', 'maya', 'omar', 'priya', 'chen',
        'wei', 'yuki', 'sofia', 'lucas', 'ali', 'fatima', 'ahmed', 'raj', 'kim', 'lee', 'pat', 'max', 'lily', 'ella',
        'liam', 'oliver', 'james', 'john', 'mary', 'linda', 'sarah', 'mark', 'luke', 'matthew', 'andrew', 'sandra',
        'jessica', 'thomas', 'robert', 'michael', 'daniel',
    ],
}

UNKNOWN_QUESTIONS = [
    "(what is|what are|what's|define|explain) {thing}", '(what does|what do) {thing} (mean|do|cost|weigh)',
    'how (does|do|can) {thing} {does}', 'why (is|are|does|do) {thing} {does}',
    "(who is|who was|tell me about|what about|who's) {person}", '(when|where) (was|is) {person} born',
    '(who|what) (invented|discovered|made|wrote|painted|built|founded|killed) {thing}',
    'how (old|tall|rich|famous) (is|was) {person}', 'where is {place}',
    '(how big|how far|how old|how hot|how rich) is {place}',
    'what (is|was) the (capital|population|language|flag|history|king|president|weather|time|currency) (of|in) {place}',
    'how many (people|cities|rivers|cars|dogs) (live in|are there in|are in|has) {place}',
    '(tell me|talk|say something|give me information|teach me) about {thing}', 'how (do|can|should) i {act} {thing}',
    '(what is the best|which is the best|where is the nearest|where can i buy|what is a good) {thing}',
    'do you know (about |){thing}', '(is|are) {thing} (good|bad|dangerous|real|important|better than {thing}|{does})',
    'what (happened|will happen|changed) (in|to|with) (19{digit}{digit}|20{digit}{digit}|{place}|{thing})',
    "(what is|what's) the (weather|news|date|time|temperature)( today| now| like today| tomorrow||)",
    '(what time is it|what day is it today|what year is it|who won the (game|election|match))',
    '(what is|who is|where is|why is|do you know|have you heard of) (a |the |) {pseudo}',
    '(when|how|why) (did|does|will) {person} (die|live|work|win|come|{act} {thing})',
    '(should i|can i|may i|will i) {act} {thing}', '(does|do) {person} {act} {thing}', '{person} and {thing}',
    '{thing}', '{pseudo} {pseudo}', '{pseudo}', 'what (colour|color|size|shape|kind of thing) (is|are) {thing}',
    'how (much|many) {thing} (do i need|is there|are there|is in {thing})',
    '(which|what) {thing} (is|are) (the best|the biggest|{does})',
    'what did {person} (do|say|write|think about {thing})',
    '(the capital of|the meaning of|the price of|the king of) {place}',
    'what is the (meaning|sense|purpose|origin|square root|price|name|age) of {thing}',
    '(what|who|why|how|when|where) {pseudo} {thing}',
    '(is it|was it|will it) (rain|cold|warm|late|{does}) (in {place}|today|tomorrow)', '{thing} (or|versus|vs) {thing}',
    'i (like|love|hate|have|want|need|saw) {thing}', '(my|the|his|her) {thing} (is|was|are) {does}',
    'the {thing} (is|was|are) {pseudo}',
]

UNABLE_QUESTIONS = [
    '(write|compose|make|give me|create) (me |)(a|an|some) (poem|song|essay|letter|email|program|function|script|'
    'list|report|novel|code|article|speech|rap|recipe|haiku)( about {thing}| in python| for {person}| on {thing}||)',
    '(translate|summarise|summarize|rewrite|correct|improve|continue|shorten) (this|the text|my text|{thing}|this '
    'sentence|that|my letter)( into german| to french| for me||)',
    '(draw|paint|sing|play|show|send|buy|order|book|call|find|open|search for|download) (me |)(a |some |the |){thing}',
    '(can you|could you|please|would you) (cook|draw|drive|search|google|find|write code|program|translate|sing|'
    'play|dance|fly|call me|write an email|write a poem|write a program|solve|{act} {thing})',
    '(set|start) (a|an|the) (timer|alarm|reminder|clock|music)( for {digit} minutes||)',
    "(play a game|let's play|play with me|sing a song|dance|do my homework|write code|do something|surprise me|sing|"
    'search the web|google {thing})',
    '(what is|how do you say|translate) {thing} in (german|french|spanish|latin|italian|chinese)',
    '(spell|rhyme|repeat|say) {thing}', '(repeat|say) (that|it|this)( again| please||)', 'what did (you|i) (just |)say',
]

SYSTEM_PROMPTS = [
    'You are (a|the|) (helpful|friendly|small|kind|polite|) (assistant|chatbot|model|language model) (called Nibble|).',
    'You are Nibble(, a small language model|, a helpful assistant|).( Answer (briefly|politely|in English).|)',
    'Answer (briefly|in one sentence|politely|as well as you can).',
    'You are a helpful, respectful and honest assistant. Always answer as helpfully as possible.( If you do not '
    'know the answer to a question, say so.|)',
    '(You are an expert on {thing}.|Talk about {thing}.|Be kind.|Be brief.|You are {person}.) (Do not make things '
    'up.|Think first.|Never be rude.|)',
]
