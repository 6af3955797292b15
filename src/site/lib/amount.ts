const KIB = 1024;
const HOUR = 3_600_000;

function time(ms: number): string {
  if (ms >= HOUR && ms % HOUR === 0) return `${ms / HOUR} h`;
  return ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

/** A limit's value with its unit, which its name tells: `initializeMs` is a time, `MESSAGE_BYTES` a size. */
export function amount(name: string, value: number): string {
  if (/Ms$|_MS$/.test(name)) return time(value);
  if (!/Bytes$|_BYTES$|Size$/.test(name)) return value.toLocaleString('en');
  if (value >= KIB * KIB && value % (KIB * KIB) === 0) return `${value / (KIB * KIB)} MiB`;
  if (value >= KIB && value % KIB === 0) return `${value / KIB} KiB`;
  return `${value.toLocaleString('en')} bytes`;
}
