"""Two publishers and two consumers on a RabbitMQ node, until stdin is closed.

Usage: rabbitmq.py PORT [RATE]. Each publishes as fast as it can, or RATE messages a second on
average in bursts that come at random (a Poisson process: what is regular beats against the other
publisher, for as long as a measurement). Prints `running` when messages flow and `units N` for
each line on stdin: how many were published or consumed until then. Needs pika.
"""

import multiprocessing
import random
import sys
import time

import pika

# A publisher is at most so far ahead: no queue grows without end.
AHEAD_MAX = 5000
BURST = 20


def channel(port):
    parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=0)
    return pika.BlockingConnection(parameters).channel()


def publish(port, queue, rate, stop, published, consumed):
    to = channel(port)
    to.queue_declare(queue)
    due = time.monotonic()
    while not stop.is_set():
        if published.value - consumed.value > AHEAD_MAX:
            time.sleep(0.002)
            continue
        if rate:
            now = time.monotonic()
            # Who is late is not in a hurry afterwards.
            due = max(due, now - 5 * BURST / rate)
            time.sleep(max(due - now, 0))
            due += random.expovariate(rate / BURST)
        for _ in range(BURST):
            to.basic_publish("", queue, b"x" * 200)
        published.value += BURST


def consume(port, queue, stop, consumed):
    source = channel(port)
    source.queue_declare(queue)
    for method, _, _ in source.consume(queue, auto_ack=True, inactivity_timeout=0.2):
        if stop.is_set():
            break
        if method is not None:
            consumed.value += 1


def main():
    port = int(sys.argv[1])
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    stop = multiprocessing.Event()
    # Each has one writer.
    published = [multiprocessing.Value("q", 0, lock=False) for _ in range(2)]
    consumed = [multiprocessing.Value("q", 0, lock=False) for _ in range(2)]
    workers = []
    for number in range(2):
        queue, out, back = f"load-{number}", published[number], consumed[number]
        given = (port, queue, rate, stop, out, back)
        workers.append(multiprocessing.Process(target=publish, args=given))
        workers.append(multiprocessing.Process(target=consume, args=(port, queue, stop, back)))
    for worker in workers:
        worker.start()
    end = time.monotonic() + 60
    while not all(count.value for count in consumed) and time.monotonic() < end:
        time.sleep(0.02)
    if all(count.value for count in consumed):
        print("running", flush=True)
        for _ in sys.stdin:
            units = sum(count.value for count in published + consumed)
            print(f"units {units}", flush=True)
    else:
        print("no message comes through", flush=True)
    stop.set()
    for worker in workers:
        worker.join(30)
        worker.kill()
    print(f"consumed {sum(count.value for count in consumed)}", flush=True)


if __name__ == "__main__":
    main()
