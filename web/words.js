// Every sentence of the page. What a caller reads when something fails says what to do about it.

export const STATUS = {
  idle: "Ready",
  asking: "Waiting for the microphone …",
  connecting: "Connecting …",
  ringing: "Ringing …",
  talking: "On the line",
  waiting: "One moment …",
  reconnecting: "The connection is gone, getting it back …",
  over: "Call ended",
  failed: "No call",
};

const MICROPHONE = {
  NotAllowedError:
    "The microphone was refused. Allow it for this page, by the sign beside its address, then call again.",
  NotFoundError: "There is no microphone. Plug one in, then call again.",
  NotReadableError: "Another program holds the microphone. Close that, then call again.",
};

export const FAILED = {
  library:
    "The server lacks the part that carries the sound. Whoever runs it makes it with “make web”; then load this page again.",
  insecure: "A browser gives the microphone to pages by https only. Open this page by its https address.",
  unknown: "Nobody of this name takes calls from a browser. Look at the address of this page.",
  unreachable: "The server does not answer. Look at your connection, then call again.",
  unanswered: "Nobody takes the call. Please call again in a minute.",
  lost: "The connection was lost, so the call is over. Look at your network, then call again.",
  elsewhere: "The call was taken over by another window.",
  stopped: "The server was stopped, so the call is over.",
  line: "The line could not be opened. A network that blocks calls may be why; try another one.",
};

export function microphoneFailed(error) {
  return MICROPHONE[error.name] ?? `The microphone cannot be used: ${error.message || error.name}.`;
}

export function refused(status, detail, retryAfterSecs) {
  switch (status) {
    case 403:
      return `Calls may not be placed from this page. ${sentence(detail)}`;
    case 404:
      return FAILED.unknown;
    case 429:
      return `Too many calls came from here. Please call again in ${retryAfterSecs || 60} seconds.`;
    case 503:
      return "All lines are busy. Please call again in a minute.";
    default:
      return `The server could not begin the call (${status}). ${sentence(detail)}`;
  }
}

export function titleOf(bot) {
  const words = bot.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function sentence(text) {
  return text ? `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "";
}
