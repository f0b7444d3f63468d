// Pages opened from the file system may not start a worker, in which the search runs: give it a frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      const global = frame.contentWindow;
      // As between a page and a worker: a copy, and later.
      const receive = (target, data) => {
        const copy = structuredClone(data);
        setTimeout(() => target.dispatchEvent(new MessageEvent("message", { data: copy })));
      };
      global.postMessage = (data) => receive(this, data);
      global.importScripts = (...urls) => Promise.all(urls.map((one) => this.load(one)));
      this.load = (source) =>
        new Promise((resolve, reject) => {
          const script = frame.contentDocument.createElement("script");
          Object.assign(script, { src: new URL(source, location), onload: resolve, onerror: reject });
          frame.contentDocument.head.append(script);
        });
      const ready = this.load(url);
      this.postMessage = (data) => ready.then(() => receive(global, data));
      this.terminate = () => frame.remove();
      this.addEventListener("message", (event) => this.onmessage?.(event));
    }
  };
}
