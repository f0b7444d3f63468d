/** The version of tokentape to install; `make dist` sets it, and the sources take the newest. */
export const VERSION: string = "";
