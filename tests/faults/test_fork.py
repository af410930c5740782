"""
Processes that split: a child has a file, ids and locks of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults import figures, programs
from recorded import read_directory, read_file

from ai_trace import reading


pytestmark = pytest.mark.timeout(60)


def test_documents_of_a_child(tmp_path: Path) -> None:
    """F37: a child that ends after its parent leaves the parent's documents alone."""
    programs.run(
        """
        import os, sys
        from ai_trace import JSONSink, MarkdownSink, Tracer, step

        def steps(*names):
            for name in names:
                with step(name):
                    pass

        sinks = [JSONSink("run.json"), MarkdownSink("run.md")]
        tracer = Tracer("agent", sinks=sinks).activate()
        steps("before")
        wait, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(wait, 1)
            steps("in the child")
            sys.exit()
        steps("after")
        tracer.close()
        os.write(go, b"x")
        os.waitpid(child, 0)
        """,
        cwd=tmp_path,
    )

    (child,) = tmp_path.glob("run.p*.json")
    for path, names in {
        tmp_path / "run.json": ["before", "after"],
        child: ["in the child"],
    }.items():
        assert names == [line["name"] for line in json.loads(path.read_text())["steps"]]
        page = path.with_suffix(".md").read_text()
        assert [True, True] == [name in page for name in (names[0], names[-1])]


def test_the_counts_of_a_child(tmp_path: Path) -> None:
    """F37: what a child sums up are its own steps; the parent counts no others."""
    done = programs.run(
        """
        import os
        from ai_trace import Tracer, step

        def summed_up():
            summary = tracer.summary()
            return [summary["steps"], summary["ok"], summary["avg_duration_ms"] > 0]

        with Tracer("agent") as tracer:
            for number in range(600):
                with step("in the parent"):
                    pass
            child = os.fork()
            if child == 0:
                print(summed_up())
                with step("in the child"):
                    sum(range(10_000))
                print(summed_up(), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(summed_up())
        """,
        cwd=tmp_path,
    )

    expected = ["[0, 0, False]", "[1, 1, True]", "[600, 600, True]"]
    assert expected == done.stdout.splitlines()


def test_the_losses_of_a_child(tmp_path: Path) -> None:
    """F37: what was lost before the fork, the child does not count once more."""
    done = programs.run(
        """
        import os
        from ai_trace import Tracer

        class Broken:
            def on_finish(self, record):
                raise ValueError

        def lost():
            return sum(sum(each.values()) for each in tracer.health().values())

        with Tracer("agent", sinks=[Broken()]) as tracer:
            tracer.step("in the parent").start().finish()
            child = os.fork()
            if child == 0:
                before = lost()
                tracer.step("in the child").start().finish()
                print(before, lost(), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(lost())
        """,
        cwd=tmp_path,
    )

    assert ["0 1", "1"] == done.stdout.splitlines()


def test_a_child_while_a_sink_is_busy(tmp_path: Path) -> None:
    """F37: a fork while another thread is inside a sink leaves the child unhindered."""
    done = programs.run(
        """
        import os, threading
        from ai_trace import Tracer, propagate, step

        inside, leave = threading.Event(), threading.Event()

        class Slow:
            def on_finish(self, record):
                if record.name == "slow":
                    inside.set()
                    leave.wait()

        def work():
            with step("slow"):
                pass

        with Tracer("agent", sinks=[Slow()]):
            thread = threading.Thread(target=propagate(work))
            thread.start()
            inside.wait()
            child = os.fork()
            if child == 0:
                with step("in the child"):
                    pass
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            leave.set()
            thread.join()
        """,
        cwd=tmp_path,
    )

    assert "7\n" == done.stdout
    assert ["in the child", "slow"] == sorted(
        line["name"] for line in read_directory(tmp_path / "traces")
    )


def test_a_child_while_every_lock_is_held(tmp_path: Path) -> None:
    """F37: whatever lock another thread holds at a fork, the child has its own."""
    done = programs.run(
        """
        import gc, os, signal, threading
        from ai_trace import Tracer, step

        kinds = (type(threading.Lock()), type(threading.RLock()))

        def held_by(thing):
            for each in gc.get_referents(thing):
                inner = each.values() if type(each) is dict else (each,)
                yield from (lock for lock in inner if type(lock) in kinds)

        def hold_all(held, leave):
            for thing in gc.get_objects():
                if type(thing).__module__.partition(".")[0] == "ai_trace":
                    held += [one for one in held_by(thing) if one.acquire(False)]
            ready.set()
            leave.wait()
            for lock in held:
                lock.release()

        with Tracer("agent") as tracer:
            with step("before"):
                pass
            locks, ready, leave = [], threading.Event(), threading.Event()
            thread = threading.Thread(target=hold_all, args=(locks, leave))
            thread.start()
            ready.wait()
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                with step("in the child") as made:
                    made.log(at="here")
                    made.finish().finish()
                assert tracer.health() and tracer.summary()["steps"]
                tracer.step("left open").start()
                tracer.close()
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(locks) > 5)
            leave.set()
            thread.join()
        """,
        cwd=tmp_path,
    )

    assert "7 True\n" == done.stdout
    assert ["before", "in the child", "left open"] == sorted(
        line["name"] for line in read_directory(tmp_path / "traces")
    )


def test_children_while_threads_trace(tmp_path: Path) -> None:
    """F37: forks at any moment of busy threads give children that trace and end."""
    done = programs.run(
        """
        import os, threading
        from ai_trace import Tracer, propagate, step

        stop = threading.Event()

        def work():
            while not stop.is_set():
                with step("busy", text="x" * 200) as busy:
                    busy.log(more="y" * 200)

        with Tracer("agent") as tracer:
            threads = [threading.Thread(target=propagate(work)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for number in range(25):
                child = os.fork()
                if child == 0:
                    for inner in range(5):
                        with step(f"child {number} {inner}") as made:
                            made.log(inner=inner)
                    tracer.close()
                    os._exit(0)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                assert status == 0, status
            stop.set()
            for thread in threads:
                thread.join()
        print(tracer.health())
        """,
        cwd=tmp_path,
    )
    lines = read_directory(tmp_path / "traces")

    assert "{}\n" == done.stdout
    assert 25 * 5 == len([line for line in lines if line["name"] != "busy"])


FORKED = """
import json, os, sys
from ai_trace import Tracer, step

with Tracer("agent", meta={"model": "m"}) as tracer:
    with step("before"):
        pass
    with step("root", budget=7):
        child = os.fork()
        if child == 0:
            with step("child", symbol="ETHUSDT") as made:
                made.log(signal=0.5)
                with step("grandchild"):
                    pass
            tracer.close()
            os._exit(0)
        with step("parent"):
            pass
        os.waitpid(child, 0)
print(json.dumps([os.getpid(), child, tracer.health(), tracer.path.name]))
"""


def test_a_child_has_its_own_file(tmp_path: Path) -> None:
    """F38: the child writes a file of its own of the same session; nothing mixes."""
    done = programs.run(FORKED, cwd=tmp_path)
    parent, child, health, name = json.loads(done.stdout)
    directory = tmp_path / "traces"
    own = directory / name
    its = directory / f"{own.stem}.p{child}.jsonl"

    assert {own, its} == set(directory.iterdir())
    assert {} == health
    assert ["before", "parent", "root"] == [line["name"] for line in read_file(own)]
    assert ["grandchild", "child"] == [line["name"] for line in read_file(its)]
    mine, theirs = (read_file(path)[0]["session"] for path in (own, its))
    assert (parent, child) == (mine.pop("pid"), theirs.pop("pid"))
    assert mine["session_id"] == theirs["session_id"]
    assert {"model": "m"} == mine["meta"] == theirs["meta"]


@pytest.mark.parametrize("given", ["parent", "child"])
def test_a_session_is_read_whole(tmp_path: Path, given: str) -> None:
    """F38: from either file the whole tree is read, the child's steps in place."""
    programs.run(FORKED, cwd=tmp_path)
    paths = sorted((tmp_path / "traces").iterdir())
    session = reading.read(paths[given == "child"])
    tree = [(depth, record.name) for depth, record in session.walk()]

    assert {(0, "before"), (0, "root"), (1, "parent"), (1, "child")} < set(tree)
    assert (2, "grandchild") in tree
    assert (5, []) == (len(tree), list(session.problems))


def test_children_of_children(tmp_path: Path) -> None:
    """F38: a child's child, too, has a file and ids of its own."""
    programs.run(
        """
        import os
        from ai_trace import Tracer, step

        with Tracer("agent") as tracer, step("root"):
            for generation in range(3):
                child = os.fork()
                if child:
                    os.waitpid(child, 0)
                    break
                with step(f"generation {generation}"):
                    pass
            else:
                os._exit(0)
            if generation:
                os._exit(0)
        """,
        cwd=tmp_path,
    )
    directory = tmp_path / "traces"

    files = list(directory.glob("*.jsonl"))
    assert 4 == len(files)
    # Each stands beside the first one, and not below its parent.
    assert [0, 1, 1, 1] == sorted(path.name.count(".p") for path in files)
    assert {"root", *[f"generation {n}" for n in range(3)]} == {
        line["name"] for line in read_directory(directory)
    }


def test_children_of_children_are_read(tmp_path: Path) -> None:
    """F38: what a child's child recorded, and died in, is in the session's tree."""
    programs.run(
        """
        import os
        from ai_trace import Tracer, step

        with Tracer("agent"), step("root"):
            if os.fork() == 0:
                with step("child"):
                    if os.fork() == 0:
                        with step("finished"):
                            pass
                        with step("died"):
                            os._exit(0)
                    os.wait()
                os._exit(0)
            os.wait()
        """,
        cwd=tmp_path,
    )
    (info,) = reading.find(tmp_path / "traces")
    session = reading.read(info.path)

    assert {"finished": "ok", "died": "unfinished", "child": "ok", "root": "ok"} == {
        record.name: record.outcome for record in session.steps
    }
    assert ["root"] == [record.name for record in session.roots]
    assert [] == list(session.problems)


WAITING = """
import os, subprocess, sys
from ai_trace import Tracer, step

with Tracer("agent") as tracer:
    with step("root", budget=7):
        {child}
        print(child, flush=True)
        sys.stdin.readline()
"""

LIVING = {
    "forked": """ready, say = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(say, b"r")
            os.read(0, 1)
            os._exit(0)
        os.read(ready, 1)""",
    "started": """child = subprocess.Popen(
            ["cat"], close_fds=False, stdout=subprocess.DEVNULL).pid""",
}


@pytest.mark.parametrize("kind", LIVING)
def test_a_child_does_not_stand_for_its_parent(tmp_path: Path, kind: str) -> None:
    """F38: a child that lives on does not make its dead parent's steps look alive."""
    source = WAITING.replace("{child}", LIVING[kind])
    process = programs.start(source, cwd=tmp_path)
    programs.next_line(process)
    path = programs.the_trace(tmp_path / "traces")
    before = [step.outcome for step in reading.read(path).steps]
    # The child holds the other end of the pipe's input, and lives until it is closed.
    process.kill()
    process.wait(programs.PATIENCE)
    after = [step.outcome for step in reading.read(path).steps]
    process.stdin.close()
    process.stdout.close()
    figures.counts[figures.KILLS] += 1

    assert (["running"], ["unfinished"]) == (before, after)


def test_a_child_leaves_the_journal_of_its_parent(tmp_path: Path) -> None:
    """F38: a child that ends takes nothing from its parent's journal."""
    process = programs.start(
        """
        import os, sys
        from ai_trace import Tracer, step

        with Tracer("agent") as tracer:
            with step("root", budget=7) as root:
                root.log(at="start")
                for ending in ("tracer.close()", "sys.exit(0)", "os._exit(0)"):
                    child = os.fork()
                    if child == 0:
                        with step("child"):
                            pass
                        exec(ending)
                        os._exit(0)
                    os.waitpid(child, 0)
                print("ready")
                sys.stdin.readline()
        """,
        cwd=tmp_path,
    )
    assert "ready" == programs.next_line(process)
    path = programs.the_trace(tmp_path / "traces")
    before = reading.read(path).roots[0]
    programs.kill(process)
    figures.counts[figures.KILLS] += 1
    after = reading.read(path).roots[0]

    assert ("root", "running") == (before.name, before.outcome)
    assert ("root", "unfinished") == (after.name, after.outcome)
    assert ["start"] == [entry["at"] for entry in after.logs]
    assert 4 == len(reading.read(path).steps)


def test_a_child_that_is_killed(tmp_path: Path) -> None:
    """F38: the step that a killed child was in is recovered; its parent's still run."""
    process = programs.start(
        """
        import os, signal, sys
        from ai_trace import Tracer, step

        with Tracer("agent") as tracer:
            with step("root"):
                child = os.fork()
                if child == 0:
                    with step("child", symbol="ETHUSDT") as made:
                        made.log(signal=0.5)
                        os.kill(os.getpid(), signal.SIGKILL)
                os.waitpid(child, 0)
                print("killed")
                sys.stdin.readline()
        """,
        cwd=tmp_path,
    )
    programs.next_line(process)
    session = reading.read(programs.the_trace(tmp_path / "traces"))
    programs.kill(process)
    figures.counts[figures.KILLS] += 2
    by_name = {record.name: record for record in session.steps}

    assert {"root": "running", "child": "unfinished"} == {
        name: record.outcome for name, record in by_name.items()
    }
    assert by_name["root"].id == by_name["child"].parent_id
    assert {"symbol": "ETHUSDT"} == by_name["child"].context
    assert [0.5] == [entry["signal"] for entry in by_name["child"].logs]


def test_seeds_of_the_program_do_not_repeat_ids(tmp_path: Path) -> None:
    """F39: a program that seeds its randomness, or forks, never has an id twice."""
    for _ in range(2):
        programs.run(
            """
            import os, random
            from ai_trace import Tracer, step

            random.seed(1)
            with Tracer("agent"):
                with step("first"):
                    pass
                for _ in range(3):
                    child = os.fork()
                    random.seed(1)
                    for number in range(300):
                        with step(f"step {number}"):
                            pass
                    if child == 0:
                        os._exit(0)
                    os.waitpid(child, 0)
            """,
            cwd=tmp_path,
        )
    lines = read_directory(tmp_path / "traces")

    assert 2 * (1 + 3 * 2 * 300) == len(lines)
    assert len(lines) == len({line["trace_id"] for line in lines})


def test_a_child_that_is_killed_is_named(tmp_path: Path) -> None:
    """F38: it is the child's own process id that a reader says died, and where."""
    done = programs.run(
        """
        import os, signal
        from ai_trace import Tracer, step

        with Tracer("agent") as tracer:
            child = os.fork()
            if child == 0:
                with step("child"):
                    os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
        print(child)
        """,
        cwd=tmp_path,
    )
    session = reading.read(next((tmp_path / "traces").glob("*.open")))
    figures.counts[figures.KILLS] += 1

    assert [(int(done.stdout), "child", False)] == [
        (writer.pid, writer.inside, writer.alive) for writer in session.writers
    ]


@pytest.mark.parametrize("pool", ["ProcessPoolExecutor", "Process"])
def test_children_of_multiprocessing(tmp_path: Path, pool: str) -> None:
    """F40: forked workers that end in order close their sessions: no journal stays."""
    done = programs.run(
        """
        import multiprocessing, sys
        from concurrent.futures import ProcessPoolExecutor
        from ai_trace import Tracer, traced

        @traced
        def square(number):
            return number * number

        if __name__ == "__main__":
            fork = multiprocessing.get_context("fork")
            with Tracer("agent"):
                if sys.argv[1] == "Process":
                    for number in range(2):
                        worker = fork.Process(target=square, args=(number,))
                        worker.start()
                        worker.join()
                        print(worker.exitcode)
                else:
                    with ProcessPoolExecutor(2, mp_context=fork) as pool:
                        print(*pool.map(square, range(2)), sep="\\n")
        """,
        pool,
        cwd=tmp_path,
    )
    directory = tmp_path / "traces"

    assert ("0\n0\n" if pool == "Process" else "0\n1\n") == done.stdout
    assert [0, 1] == sorted(line["result"] for line in read_directory(directory))
    assert [] == [path.name for path in directory.iterdir() if path.suffix == ".open"]


@pytest.mark.parametrize("made", ["at import", "in the worker"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_worker_with_a_tracer_of_its_own(
    tmp_path: Path, method: str, made: str
) -> None:
    """F40: however it was started, a worker that ends in order closes its session."""
    done = programs.run(
        """
        import multiprocessing, sys

        def activate():
            from ai_trace import Tracer
            return Tracer("worker").activate()

        def work():
            from ai_trace import current_tracer, step
            tracer = current_tracer() or activate()
            with step("done"):
                pass
            tracer.step("left open").start()

        if __name__ == "__main__":
            method, made = sys.argv[1:]
            context = multiprocessing.get_context(method)
            if made == "at import" and method == "fork":
                activate()
            worker = context.Process(target=work)
            worker.start()
            worker.join()
            print(worker.exitcode)
        elif sys.argv[2:] == ["at import"]:
            activate()
        """,
        method,
        made,
        cwd=tmp_path,
    )
    directory = tmp_path / "traces"
    outcomes = {line["name"]: line["outcome"] for line in read_directory(directory)}

    assert "0\n" == done.stdout
    assert {"done": "ok", "left open": "unfinished"} == outcomes
    assert [] == [path.name for path in directory.iterdir() if path.suffix == ".open"]


def test_what_a_child_says_to_a_step_of_its_parent(tmp_path: Path) -> None:
    """The step is the parent's: what the child logs there is counted as lost, once."""
    done = programs.run(
        """
        import os, warnings
        from ai_trace import Tracer, step

        warnings.simplefilter("ignore")
        with Tracer("agent") as tracer:
            with step("work") as work:
                child = os.fork()
                if child == 0:
                    work.log(a=1).set_result(2).finish()
                    with step("below"):
                        pass
                    print(tracer.health()["step"], flush=True)
                    os._exit(0)
                os.waitpid(child, 0)
                work.log(b=2)
        print(tracer.health(), [(each.name, each.outcome) for each in tracer.steps])
        """,
        cwd=tmp_path,
    )

    why = "ignored: it belongs to the process that this one was forked from"
    assert done.stdout.splitlines() == [
        str({f"log {why}": 1, f"result {why}": 1}),
        "{} [('work', 'ok'), ('below', 'ok')]",
    ]


@pytest.mark.parametrize(
    "how", ["with Tracer('agent'):", "Tracer('agent').activate()\nif 1:"]
)
def test_a_child_that_dies_inside_a_step_of_its_parent(
    tmp_path: Path, how: str
) -> None:
    """What ended the child is told at the end of its session."""
    program = (
        how
        + """
    with step("work"):
        child = os.fork()
        if child == 0:
            raise ValueError("of the child")
        os.waitpid(child, 0)
"""
    )
    programs.run(
        "import os\nfrom ai_trace import Tracer, step\n" + program, cwd=tmp_path
    )

    (found,) = reading.find(tmp_path / "traces")
    ends = {each.name: (each.outcome, each.error) for each in reading.read(found).steps}
    assert ends == {
        "work": ("ok", None),
        "end of session": ("error", "ValueError: of the child"),
    }
