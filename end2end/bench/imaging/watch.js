// Runs in each viewer's page: waits for a canvas to hold other pixels. It looks after each task and not with each frame,
// so that what is measured is the viewer, and not where in the display's beat a step began.
(() => {
  const turn = new MessageChannel();
  const turned = () => new Promise((done) => { turn.port1.onmessage = done; turn.port2.postMessage(0); });
  const small = new OffscreenCanvas(64, 64).getContext('2d', { willReadFrequently: true });

  /** A number for the middle of a canvas; 0 where all of it is of one colour, as a background is. */
  const pixels = (canvas) => {
    small.drawImage(canvas, canvas.width / 2 - 32, canvas.height / 2 - 32, 64, 64, 0, 0, 64, 64);
    const words = new Uint32Array(small.getImageData(0, 0, 64, 64).data.buffer);
    if (words.every((word) => word === words[0])) return 0;
    return words.reduce((sum, word) => (Math.imul(sum, 31) + word) | 0, 0);
  };
  const until = async (canvas, before) => {
    for (const from = performance.now(); performance.now() - from < 20_000;) {
      await turned();
      const now = canvas() && pixels(canvas());
      if (now && now !== before) return;
    }
    throw new Error('The picture does not change.');
  };
  /** Milliseconds of each step, one begun when the one before has been painted. */
  const steps = async (canvas, count, act) => {
    const took = [];
    for (let i = 0; i < count; i++) {
      await new Promise(requestAnimationFrame);
      await turned();
      const before = pixels(canvas());
      const from = performance.now();
      act(i);
      await until(canvas, before);
      took.push(performance.now() - from);
    }
    return took;
  };
  window.watch = { until, steps };
})();
