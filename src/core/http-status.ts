/** Whether a request was answered, by the status of its answer: 200 to 299. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** They refuse the caller, its account, its time or its rate, and not the content of the request. */
const NOT_FOR_CONTENT = new Set([401, 402, 403, 407, 408, 425, 429, 499])

/** Whether the upstream refused the content of a request. */
export const isRefusedForContent = (status: number): boolean =>
  status >= 400 && status < 500 && !NOT_FOR_CONTENT.has(status)
