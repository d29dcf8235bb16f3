"""The token a browser joins its call with."""

from datetime import timedelta

from livekit.api import AccessToken, VideoGrants

from server.livekit_access import LiveKitAccess

# The bot waits as long for a caller from a browser, see bots/web_caller.py.
TTL_SECS = 60.0


def join_token(access: LiveKitAccess, room: str, identity: str) -> str:
    """Sign a token for one room: microphone, hearing, keys, and nothing else.

    It may be used to join for a minute; who has joined stays.
    """
    grants = VideoGrants(
        room_join=True,
        room=room,
        can_publish=True,
        can_publish_sources=["microphone"],
        can_subscribe=True,
        can_publish_data=True,
        can_update_own_metadata=False,
    )
    token = AccessToken(access.api_key, access.api_secret.get_secret_value())
    token = token.with_identity(identity).with_grants(grants)
    return token.with_ttl(timedelta(seconds=TTL_SECS)).to_jwt()
