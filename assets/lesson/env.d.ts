/** What the server last told of a training and of a photo (live.js). */
interface Window {
  eiwflowLive?: { training?: any; photo?: any };
}

/** flow.js as a function, where the modules are one script (eiwflow/lesson/bundle.py): its text goes to a Worker. */
declare const make_flow_js: (() => any) | undefined;
