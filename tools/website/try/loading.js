// Files with the share that has arrived, for a page that loads some megabytes.

/** A function that fetches a file as a Uint8Array. told(bytes): called with how many have come in all. */
export function fetcher(folder, told) {
  let come = 0;
  return async (name) => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
    const parts = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      told((come += part.value.length));
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  };
}
