/** A name of a header, and of much else (RFC 9110 §5.6.2). */
export const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
