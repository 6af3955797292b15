const KIB = 1024;

/** A limit's value with its unit, which its name tells: `initializeMs` is a time, `messageBytes` a size. */
export function amount(name: string, value: number): string {
  if (name.endsWith('Ms')) return value >= 1000 && value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`;
  if (!/Bytes$/.test(name)) return value.toLocaleString('en');
  if (value >= KIB * KIB && value % (KIB * KIB) === 0) return `${value / (KIB * KIB)} MiB`;
  if (value >= KIB && value % KIB === 0) return `${value / KIB} KiB`;
  return `${value.toLocaleString('en')} bytes`;
}
