/** This is no pass or code of the sale, here and now. */
export class Refused extends Error {}

/** Whether it is one could not be found out. */
export class Unsure extends Error {
  constructor(message, cause) {
    super(cause ? `${message}: ${cause.message}` : message, { cause });
  }
}
