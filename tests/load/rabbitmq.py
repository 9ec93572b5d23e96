"""Two publishers and two consumers on a RabbitMQ node, until stdin is closed.

Usage: rabbitmq.py PORT. Prints `running` when messages flow, and at the end how many were
consumed. Needs pika.
"""

import multiprocessing
import sys

import pika


def channel(port):
    parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=0)
    return pika.BlockingConnection(parameters).channel()


def publish(port, queue, stop):
    to = channel(port)
    to.queue_declare(queue)
    while not stop.is_set():
        for _ in range(50):
            to.basic_publish("", queue, b"x" * 200)


def consume(port, queue, stop, flows, total):
    source = channel(port)
    source.queue_declare(queue)
    count = 0
    for method, _, _ in source.consume(queue, auto_ack=True, inactivity_timeout=0.2):
        if stop.is_set():
            break
        if method is not None:
            count += 1
            flows.set()
    with total.get_lock():
        total.value += count


def main():
    port = int(sys.argv[1])
    stop, total = multiprocessing.Event(), multiprocessing.Value("q", 0)
    workers, flowing = [], []
    for number in range(2):
        queue, flows = f"load-{number}", multiprocessing.Event()
        flowing.append(flows)
        workers.append(multiprocessing.Process(target=publish, args=(port, queue, stop)))
        workers.append(
            multiprocessing.Process(target=consume, args=(port, queue, stop, flows, total))
        )
    for worker in workers:
        worker.start()
    if not all(flows.wait(60) for flows in flowing):
        print("no message comes through", flush=True)
        stop.set()
    else:
        print("running", flush=True)
        sys.stdin.read()
        stop.set()
    for worker in workers:
        worker.join(30)
        worker.kill()
    print(f"consumed {total.value}", flush=True)


if __name__ == "__main__":
    main()
