"""Plays a plan with a client: reads it from stdin, writes one line of JSON for each conversation.

A script gives `play` a function for each scenario. It gets a `Conversation` and returns what was said, as a list of
texts; it may be a coroutine.
"""

import asyncio
import inspect
import json
import sys
from concurrent.futures import ThreadPoolExecutor

FUNCTIONS = {
    "find_customer": "Finds the customer of an order by the colour of the paint.",
    "check_stock": "Checks whether there are enough tins of a colour.",
}


class Conversation:
    """One conversation: where to ask, what to ask, and what the functions of the warehouse were asked."""

    def __init__(self, plan, conversation):
        self.base_url = plan["baseUrl"]
        self.api_key = plan["apiKey"]
        self.model = plan["model"]
        self.scenario = conversation["scenario"]
        self.number = conversation["number"]
        self.prompt = conversation["prompt"]
        self.questions = conversation["questions"]
        self.question = self.questions[0]
        self.colour = conversation["colour"]
        self.tins = conversation["tins"]
        self.calls = []

    def find_customer(self, colour):
        self.calls.append(f"find_customer {colour}")
        return f"done find_customer, order {self.number}, {self.colour}, {self.tins} tins"

    def check_stock(self, colour, tins):
        self.calls.append(f"check_stock {colour} {tins}")
        return f"done check_stock, order {self.number}, {self.colour}, {self.tins} tins"

    def call(self, name, arguments):
        """The result of a function by its name. `arguments` is a dictionary."""
        return getattr(self, name)(**arguments)


def status_of(error):
    while error is not None:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None


def outcome(conversation, said, error):
    return {
        "scenario": conversation.scenario,
        "number": conversation.number,
        "said": said,
        "error": None
        if error is None
        else {
            "name": type(error).__name__,
            "status": status_of(error),
            "message": str(error)[:400],
        },
    }


def play(scenarios):
    plan = json.load(sys.stdin)
    conversations = [Conversation(plan, each) for each in plan["conversations"]]

    def write(done):
        print(json.dumps(done), flush=True)

    def play_one(conversation):
        try:
            said = scenarios[conversation.scenario](conversation)
            return outcome(conversation, said, None)
        except Exception as error:  # every error is an outcome
            return outcome(conversation, [], error)

    async def play_async():
        places = asyncio.Semaphore(plan["concurrency"])

        async def play_one_async(conversation):
            async with places:
                try:
                    said = await scenarios[conversation.scenario](conversation)
                    write(outcome(conversation, said, None))
                except Exception as error:  # every error is an outcome
                    write(outcome(conversation, [], error))

        await asyncio.gather(*map(play_one_async, conversations))

    if any(map(inspect.iscoroutinefunction, scenarios.values())):
        asyncio.run(play_async())
        return
    with ThreadPoolExecutor(plan["concurrency"]) as pool:
        for done in pool.map(play_one, conversations):
            write(done)
