"""What a turn's wait is made of."""

from pydantic import BaseModel, ConfigDict


class TurnLatency(BaseModel):
    """One answered turn, traced in the pipeline: durations in seconds that add up to ``total``.

    Parameters:
        endpointing: Silence the VAD waited for after the last voiced sample.
        transcription: VAD stop to the last transcript.
        turn_decision: Last transcript to the end of the turn.
        llm: End of the turn to the first token, or to the first tool call.
        tools: First tool call to the first token after it; 0 without a tool.
        sentence: First token to the first sentence handed to the TTS.
        synthesis: First sentence to the first audio byte.
        output: First audio byte to the first chunk handed to the room.
        leading_silence: Silence at the head of the TTS audio; not part of ``total``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpointing: float
    transcription: float
    turn_decision: float
    llm: float
    tools: float = 0.0
    sentence: float
    synthesis: float
    output: float
    leading_silence: float = 0.0

    @property
    def total(self) -> float:
        """Caller silent to audio handed to the room, in seconds."""
        return (
            self.endpointing
            + self.transcription
            + self.turn_decision
            + self.llm
            + self.tools
            + self.sentence
            + self.synthesis
            + self.output
        )
