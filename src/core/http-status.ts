/** Whether a request was answered, by the status of its answer: 200 to 299. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** Of the caller and its account, of time and of rates: they say nothing of what was asked. */
const NOT_FOR_CONTENT = new Set([401, 402, 403, 407, 408, 425, 429, 499])

/** Whether a request was refused for what it says. */
export const isRefusedForContent = (status: number): boolean =>
  status >= 400 && status < 500 && !NOT_FOR_CONTENT.has(status)
