// The line of one call: microphone, room, the other side's sound, captions and keys.
import { FAILED, microphoneFailed, refused } from "./words.js";

const ANSWER_SECS = 45;
const CODES = { "*": 10, "#": 11 };

// A failure whose message is a sentence for the caller.
export class LineError extends Error {}

// Events: phase {phase}, track {track, mine}, caption {segment, text, mine, final},
// sound {allowed}, over {why}: "" when the call simply ended.
export class Line extends EventTarget {
  #bot;
  #room = null;
  #microphone = null;
  #sound = null;
  #answered = false;
  #over = false;
  #deadline = 0;

  constructor(bot) {
    super();
    this.#bot = bot;
  }

  get muted() {
    return this.#microphone?.isMuted ?? false;
  }

  // Throws LineError; the microphone comes first, so that nobody waits for a caller who refuses it.
  async open() {
    try {
      if (!window.LivekitClient) throw new LineError(FAILED.library);
      if (!navigator.mediaDevices?.getUserMedia) throw new LineError(FAILED.insecure);
      this.#tell("phase", { phase: "asking" });
      this.#microphone = await this.#askForMicrophone();
      this.#tell("track", { track: this.#microphone.mediaStreamTrack, mine: true });
      this.#tell("phase", { phase: "connecting" });
      const call = await this.#begin();
      await this.#join(call);
    } catch (error) {
      if (!this.#over) this.#release();
      throw error;
    }
  }

  async setMuted(muted) {
    await (muted ? this.#microphone?.mute() : this.#microphone?.unmute());
  }

  async press(key) {
    if (!this.#answered || this.#over) return;
    await this.#room.localParticipant.publishDtmf(CODES[key] ?? Number(key), key);
  }

  // Browsers may want a gesture before they play.
  async allowSound() {
    await this.#room?.startAudio();
  }

  async hangUp() {
    if (this.#over) return;
    this.#end("");
    await this.#room?.disconnect();
  }

  async #askForMicrophone() {
    try {
      return await LivekitClient.createLocalAudioTrack({
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      });
    } catch (error) {
      throw new LineError(microphoneFailed(error));
    }
  }

  async #begin() {
    const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    if (given.token) {
      history.replaceState(null, "", location.pathname); // good once, and nobody's to copy
      return given;
    }
    let answer;
    try {
      answer = await fetch(`/call/${encodeURIComponent(this.#bot)}`, { method: "POST" });
    } catch {
      throw new LineError(FAILED.unreachable);
    }
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      throw new LineError(refused(answer.status, body.detail, answer.headers.get("Retry-After")));
    }
    return body;
  }

  async #join({ url, token }) {
    const { Room, RoomEvent, Track } = LivekitClient;
    const room = (this.#room = new Room({ disconnectOnPageLeave: true }));
    room
      .on(RoomEvent.TrackSubscribed, (track) => this.#hear(track))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#lose(track))
      .on(RoomEvent.Reconnecting, () => this.#tell("phase", { phase: "reconnecting" }))
      .on(RoomEvent.Reconnected, () => this.#tell("phase", { phase: this.#sound ? "talking" : "waiting" }))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#tell("sound", { allowed: room.canPlaybackAudio }))
      .on(RoomEvent.Disconnected, (reason) => this.#end(this.#why(reason)));
    room.registerTextStreamHandler("lk.transcription", (reader) => this.#caption(reader));
    this.#deadline = setTimeout(() => this.#giveUp(), ANSWER_SECS * 1000);
    try {
      await room.connect(url, token);
      await room.localParticipant.publishTrack(this.#microphone, { source: Track.Source.Microphone });
    } catch (error) {
      if (this.#over) return; // hung up meanwhile, or told already
      console.error(error);
      throw new LineError(FAILED.line);
    }
    if (!this.#answered && !this.#over) this.#tell("phase", { phase: "ringing" });
  }

  #hear(track) {
    if (track.kind !== "audio") return;
    clearTimeout(this.#deadline);
    this.#answered = true;
    this.#sound = track.attach();
    document.body.append(this.#sound);
    this.#tell("track", { track: track.mediaStreamTrack, mine: false });
    this.#tell("phase", { phase: "talking" });
  }

  #lose(track) {
    for (const element of track.detach()) element.remove();
    this.#sound = null;
    if (this.#over) return;
    this.#tell("phase", { phase: "waiting" });
    this.#deadline = setTimeout(() => this.#giveUp(), ANSWER_SECS * 1000);
  }

  async #caption(reader) {
    const { attributes } = reader.info;
    const mine = this.#room.localParticipant
      .getTrackPublications()
      .some(({ trackSid }) => trackSid === attributes["lk.transcribed_track_id"]);
    this.#tell("caption", {
      segment: attributes["lk.segment_id"],
      final: attributes["lk.transcription_final"] === "true",
      text: await reader.readAll(),
      mine,
    });
  }

  #why(reason) {
    const { DisconnectReason } = LivekitClient;
    switch (reason) {
      case DisconnectReason.CLIENT_INITIATED:
        return "";
      case DisconnectReason.ROOM_DELETED:
      case DisconnectReason.ROOM_CLOSED:
      case DisconnectReason.PARTICIPANT_REMOVED:
        return this.#answered ? "" : FAILED.unanswered;
      case DisconnectReason.DUPLICATE_IDENTITY:
        return FAILED.elsewhere;
      case DisconnectReason.SERVER_SHUTDOWN:
        return FAILED.stopped;
      default:
        return this.#answered ? FAILED.lost : FAILED.line;
    }
  }

  #giveUp() {
    this.#end(FAILED.unanswered);
    this.#room?.disconnect();
  }

  #end(why) {
    if (this.#over) return;
    this.#release();
    this.#tell("over", { why });
  }

  #release() {
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#microphone?.stop();
    this.#sound?.remove();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
