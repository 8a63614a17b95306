/**
 * Whether a host is the operator's own: a loopback or private address, or a name that no public DNS has. Pure; a
 * name is judged as it is written, without asking a resolver.
 */

/** RFC 1122, 1918, 3927, 6598: first octet, then the range of the second one. */
const OWN_IPV4: readonly [first: number, from: number, to: number][] = [
  [0, 0, 255],
  [10, 0, 255],
  [100, 64, 127],
  [127, 0, 255],
  [169, 254, 254],
  [172, 16, 31],
  [192, 168, 168],
]

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}$/

const isOwnIpv4 = (first: number, second: number): boolean =>
  OWN_IPV4.some(([octet, from, to]) => first === octet && second >= from && second <= to)

/** An IPv4 address in an IPv6 one, as URLs write it: `::ffff:7f00:1`. */
const MAPPED = /^::ffff:([\da-f]{1,4}):[\da-f]{1,4}$/
/** RFC 4193 and 4291: unspecified, loopback, unique local, link local. */
const OWN_IPV6 = /^(?:::1?$|f[cd][\da-f]{2}:|fe[89ab][\da-f]:)/

const isOwnIpv6 = (address: string): boolean => {
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped === undefined) return OWN_IPV6.test(address)
  const octets = Number.parseInt(mapped, 16)
  return isOwnIpv4(octets >> 8, octets & 255)
}

/** RFC 2606, 6761, 6762, 8375, ICANN's `.internal`, and the names of clusters and home networks. */
const OWN_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|test|home\.arpa|svc)$/

/** @param host as `URL.hostname` gives it: in lower case, IPv6 in brackets; without a dot at the end */
export const isOwnHost = (host: string): boolean => {
  if (host.startsWith('[')) return isOwnIpv6(host.slice(1, -1))
  const address = IPV4.exec(host)
  if (address !== null) return isOwnIpv4(Number(address[1]), Number(address[2]))
  // a name without a dot is one of the local network or of a container
  return !host.includes('.') || OWN_NAME.test(host)
}
