"""How many audited answers it takes to notice that accepted answers break their promise; the table of the README.

python -m benchmarks.promise_power
"""

import argparse

from quality_gate.performance.accepted_errors import power
from quality_gate.performance_settings import PerformanceSettings

TIMES_AS_MANY = (1.5, 2.0, 3.0, 5.0)
GOOD_BEFORE = 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alpha", type=float, default=0.05, help="the promise: share of wrong answers at most")
    parser.add_argument("--false-alarm-rate", type=float, default=PerformanceSettings().false_alarm_rate)
    options = parser.parse_args()
    print(f"promised {options.alpha:.1%}, false alarms ever {options.false_alarm_rate:.1%}")
    print(f"{'wrong':>8}  {'half':>6}  {'9 in 10':>7}  {f'half, after {GOOD_BEFORE:,} good':>22}  {'9 in 10':>7}")
    for times in TIMES_AS_MANY:
        rate = times * options.alpha
        anew = power(options.alpha, options.false_alarm_rate, rate)
        late = power(options.alpha, options.false_alarm_rate, rate, before=GOOD_BEFORE)
        cells = [str(count) if count else "–" for count in (anew.half, anew.nine_in_ten, late.half, late.nine_in_ten)]
        print(f"{rate:>8.1%}  {cells[0]:>6}  {cells[1]:>7}  {cells[2]:>22}  {cells[3]:>7}")


if __name__ == "__main__":
    main()
