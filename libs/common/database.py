"""What every user of PostgreSQL through SQLAlchemy needs."""


def sqlalchemy_url(url: str) -> str:
    """`postgresql://…`, as every tool writes it, in SQLAlchemy's words."""
    _, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}"
