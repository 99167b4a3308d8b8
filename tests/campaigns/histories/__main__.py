"""``python -m tests.campaigns.histories``."""

from tests.campaigns.histories.command import main

if __name__ == "__main__":
    main()
