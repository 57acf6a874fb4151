// Who is told when something is new.

/** Functions that are called at every piece of news, until each of them leaves. */
export class Listeners {
  constructor() {
    this.all = new Set();
  }

  /** Call f(news) from now on; returns a function that ends it. @param {(news?: any) => void} f */
  hear(f) {
    this.all.add(f);
    return () => this.all.delete(f);
  }

  tell(news = undefined) {
    for (const listener of this.all) listener(news);
  }

  /** Tell nobody any more. */
  clear() {
    this.all.clear();
  }
}
