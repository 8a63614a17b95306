"""Compares two SQL queries by their rows, on 30 databases in memory with the tables of CHECK_SCHEMA and drawn values."""
import collections, contextlib, json, os, random, re, resource, sqlite3, sys

resource.setrlimit(resource.RLIMIT_CPU, (2, 2))  # seconds; a process that is killed gives no verdict
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))  # bytes
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
asked = json.load(sys.stdin)
logged, answer = (re.sub(r"^```\w*\s|```$", "", asked[name].strip()) for name in ("logged", "answer"))
compared = [text.strip("'") for text in re.findall(r"'[^']*'|\b\d+\b", logged + answer)]
VALUES = compared + [str(int(text) + 1) for text in compared if text.isdigit()] + [None, 0, 1, 2, "a", "b"]

def draw(seed):
    database, random_of = sqlite3.connect(":memory:"), random.Random(seed)
    database.executescript(open(os.environ["CHECK_SCHEMA"]).read())
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        width = len(database.execute(f'PRAGMA table_info("{table}")').fetchall())
        for _ in range(random_of.randint(1, 40)):
            with contextlib.suppress(sqlite3.IntegrityError):  # a rule of the table refuses the row
                places, row = ",".join("?" * width), random_of.choices(VALUES, k=width)
                database.execute(f'INSERT INTO "{table}" VALUES ({places})', row)
    database.execute(f"PRAGMA reverse_unordered_selects = {seed % 2}")
    database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY)
    return database

def rows_of(database, query):
    try:
        rows = database.execute(query).fetchall()
        return rows if "order by" in logged.lower() else collections.Counter(rows)
    except (sqlite3.Error, sqlite3.Warning, MemoryError):
        return None  # it is no query, does more than read, or is too large

results = [[rows_of(database, query) for query in (logged, answer)] for database in map(draw, range(30))]
if all(expected is not None for expected, _ in results) and any(expected for expected, _ in results):
    print(json.dumps({"verdict": "same" if all(one == other for one, other in results) else "different"}))
