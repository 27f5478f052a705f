"""When the watchdog restarts what, and when it leaves a busy machine alone."""

from include.local.watchdog import Look, Schedulers, Watchdog

STUCK = Look(waiting=2, running=1, idle_workers=7, busy_workers=1)
WELL = Look(waiting=0, running=3, idle_workers=5, busy_workers=3)


def restarts(*looks: Look) -> list[set[str]]:
    dog = Watchdog()
    return [dog.judge(look) for look in looks]


def test_tasks_that_no_idle_worker_takes_restart_the_scheduler_at_the_third_look() -> None:
    assert restarts(*[STUCK] * 5) == [set(), set(), {"scheduler"}, set(), set()]


def test_one_good_look_between_begins_anew() -> None:
    assert restarts(STUCK, STUCK, WELL, STUCK, STUCK) == [set()] * 5


def test_a_queue_behind_busy_workers_is_no_fault() -> None:
    full = Look(waiting=5, running=8, idle_workers=0, busy_workers=8)
    assert restarts(*[full] * 10) == [set()] * 10


def test_a_worker_that_has_taken_a_task_and_not_said_so_is_no_fault() -> None:
    starting = Look(waiting=1, running=2, idle_workers=5, busy_workers=3)
    assert restarts(*[starting] * 10) == [set()] * 10


def test_a_service_without_heartbeat_is_restarted_after_twenty_seconds_and_then_given_time() -> None:
    silent = Look(0, 1, 4, 1, frozenset({"triggerer"}))
    found = restarts(*[silent] * 25)
    assert found == [set()] * 19 + [{"triggerer"}] + [set()] * 5
    back = restarts(*[silent] * 19, WELL, *[silent] * 19)
    assert back == [set()] * 39


def test_a_heartbeat_in_the_future_that_stays_the_same_is_a_clock_that_was_set_back() -> None:
    def ahead(*beats: str) -> list[set[str]]:
        return restarts(*[Look(0, 1, 4, 1, ahead=frozenset({("scheduler", beat)})) for beat in beats])

    assert ahead(*["18:00:00"] * 7) == [set()] * 5 + [{"scheduler"}, set()]
    assert ahead(*[f"18:00:{second:02}" for second in range(20)]) == [set()] * 20  # the clock is still ahead


def test_times_are_set_back_at_the_third_look_and_never_by_a_clock_that_is_still_ahead() -> None:
    ahead = Look(0, 1, 4, 1, ahead=frozenset({("scheduler", "18:00:00")}))
    other = Look(0, 1, 4, 1, ahead=frozenset({("triggerer", "18:00:00")}))
    dog = Watchdog()
    found = [(True, WELL), (True, ahead), (True, WELL), (True, other), (True, WELL), (True, WELL), (False, WELL)]
    assert [dog.may_set_back(*one) for one in found] == [False] * 4 + [True, True, False]


def test_a_restart_for_one_sign_leaves_the_count_of_another_service() -> None:
    ahead = frozenset({("triggerer", "18:00:00")})
    found = restarts(*[STUCK] * 3, *[Look(0, 1, 4, 1, ahead=ahead)] * 20)
    assert found == [set()] * 2 + [{"scheduler"}] + [set()] * 19 + [{"triggerer"}]


def test_jobs_of_a_scheduler_s_earlier_processes_are_dead() -> None:
    schedulers = Schedulers()
    found = []
    for process, newest in [(10, 4), (10, 4), (10, 5), (11, 5), (11, 5), (11, 6), (12, 7), (12, 7)]:
        schedulers.seen(process, newest, 0)
        found.append(schedulers.dead)
    # 5 was a second one beside the first, or the first anew; 7 had begun before its process was seen
    assert found == [0, 0, 0, 5, 5, 5, 6, 6]


def test_a_scheduler_that_ran_alone_is_dead_as_soon_as_its_process_is() -> None:
    schedulers = Schedulers()
    found = []
    for process, newest, alone in [
        (10, 4, 4),
        (11, 4, 4),
        (11, 5, 5),
        (12, 5, 5),
        (12, 6, 0),
        (13, 6, 6),
        (13, 6, 6),
        (14, 6, 6),
    ]:
        schedulers.seen(process, newest, alone)
        found.append(schedulers.only)
    # 6 began by hand beside it, so nothing is said of its end; nor when it is left alone and the next has not begun
    assert found == [0, 4, 4, 5, 5, 0, 0, 0]
