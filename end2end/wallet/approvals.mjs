// What waits for the person at the wallet: each question is approved or rejected by the test, or at once
// with `auto`. A wallet window that nobody answers stays open for ever, as the real one does.
import { providerErrors, rpcErrors } from '@metamask/rpc-errors';

export class Approvals {
  #waiting = [];
  #watchers = [];
  #auto;

  constructor(auto) {
    this.#auto = auto;
  }

  get auto() {
    return this.#auto;
  }

  /** From now on everything is approved, what is waiting included; or again nothing. */
  set auto(on) {
    this.#auto = on;
    if (on) for (const question of this.#waiting.splice(0)) question.approve();
  }

  /** Resolves when the person approves (to the key of another account if she picked one), and throws 4001 when they reject. */
  ask(request) {
    const { method, params, origin } = request;
    // A wallet shows one window of these kinds for a site, and answers -32002 to the next one.
    const single = ['eth_requestAccounts', 'wallet_addEthereumChain', 'wallet_switchEthereumChain'].includes(method);
    if (single && this.#waiting.some((other) => other.method === method && other.origin === origin)) {
      throw rpcErrors.resourceUnavailable(`Request of type '${method}' already pending for origin ${origin}. Please wait.`);
    }
    if (this.#auto) return Promise.resolve();
    return new Promise((approve, reject) => {
      this.#waiting.push({ method, params, origin, asker: request.asker, approve, reject: () => reject(providerErrors.userRejectedRequest()) });
      for (const look of [...this.#watchers]) look();
    });
  }

  /** The first waiting question of this kind, as soon as there is one. */
  next(method, within) {
    const found = () => this.#waiting.find((question) => question.method === method);
    return new Promise((done, fail) => {
      if (found()) return done(found());
      const look = () => { if (found()) { stop(); done(found()); } };
      const late = setTimeout(() => {
        stop();
        const others = this.#waiting.map((question) => question.method).join(', ') || 'nothing';
        fail(new Error(`The wallet was not asked for ${method} within ${within} ms; waiting: ${others}`));
      }, within);
      const stop = () => {
        clearTimeout(late);
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look);
      };
      this.#watchers.push(look);
    });
  }

  /** Takes a question off the list, to be answered. */
  take(question) {
    this.#waiting = this.#waiting.filter((other) => other !== question);
    return question;
  }

  /** The document that asked is gone: its questions are, too. */
  forget(asker) {
    for (const question of this.#waiting.filter((other) => other.asker === asker)) this.take(question).reject();
  }

  list() {
    return this.#waiting.map(({ method, params, origin }) => ({ method, params, origin }));
  }
}
