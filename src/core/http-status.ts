/** Whether a request was answered, by the status of its answer: 200 to 299. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300
