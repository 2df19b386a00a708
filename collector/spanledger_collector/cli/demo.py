"""``spanledger demo``: a collector, a stand-in provider and agents that spend; then what the ledger says of them."""
import click
@click.command()
def demo() -> None:
    """Placeholder."""
