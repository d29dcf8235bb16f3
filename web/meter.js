// How loud a track is, 0 to 1, at every frame of the screen.

const FLOOR_DB = -60;
const FALL = 0.85;

export class Meter {
  #context;
  #source = null;
  #timer = 0;

  constructor(onLevel) {
    this.onLevel = onLevel;
  }

  watch(track) {
    this.stop();
    this.#context ??= new AudioContext();
    this.#context.resume();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let level = 0;
    const look = () => {
      analyser.getFloatTimeDomainData(samples);
      level = Math.max(loudness(samples), level * FALL);
      this.onLevel(level);
      this.#timer = requestAnimationFrame(look);
    };
    look();
  }

  stop() {
    cancelAnimationFrame(this.#timer);
    this.#source?.disconnect();
    this.#source = null;
    this.onLevel(0);
  }
}

function loudness(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return power ? Math.max(0, 1 - (10 * Math.log10(power)) / FLOOR_DB) : 0;
}
