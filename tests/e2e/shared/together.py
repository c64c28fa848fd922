"""Several who do something all the while a block runs."""

import threading


class Together:
    """Threads, begun with the block and ended with it: `each` is to look at `self.over`."""

    def __init__(self, each, whom):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=each, args=[who]) for who in whom]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
