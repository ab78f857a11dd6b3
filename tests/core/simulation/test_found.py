"""Stories that random ones have found, told again at each run: what each found is its name."""

from __future__ import annotations

from tests.builders import HOUR, MINUTE, SECOND, daemon, task
from tests.core.simulation.host import Host
from tests.core.simulation.processes import Behaviour
from tests.core.simulation.promises import Witness
from torchsync.core.model import CronTiming, Millis

EACH_7_SECONDS = task("beat", timing=CronTiming(schedule="@every 7s", starting_deadline=Millis(2 * SECOND)))


def test_the_run_of_an_instant_that_was_annulled_is_not_decided_again_when_it_turns_out_never_to_have_begun() -> None:
    """Both the run and what the clock's second jump made of its instant covered it, and the ledger refused that: at each start of the agent."""
    host = Host()
    witness = Witness(host)
    host.behaviours[EACH_7_SECONDS.fingerprint] = (Behaviour(claims_after=2 * SECOND),)
    host.commit({"beat": EACH_7_SECONDS})
    host.step(100 * MINUTE)
    host.step(-100 * MINUTE)
    host.step(2 * HOUR)
    host.kill()
    witness.look()
    host.pass_time(MINUTE)
    witness.look()


def test_a_run_that_began_while_it_was_being_ended_was_killed_before_its_grace_was_over() -> None:
    """The stop came before its shim had begun; the signal was sent again, but the time to obey it was counted from the first one."""
    host = Host()
    witness = Witness(host)
    slow = daemon("slow", stop_grace=Millis(10 * SECOND))
    host.behaviours[slow.fingerprint] = (Behaviour(length=None, claims_after=9 * SECOND, is_stubborn=True),)
    host.commit({"slow": slow})
    host.stop("slow")
    for _ in range(3):
        host.pass_time(9 * SECOND)
        witness.look()
    (process,) = [one for one in host.processes.all.values() if one.signals]
    assert [name for _, name in process.signals] == ["TERM", "KILL"]
