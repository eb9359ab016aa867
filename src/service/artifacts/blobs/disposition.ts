/**
 * What a browser shows without running anything; all else it stores in a file. The whole of it, with no comma anywhere: browsers take a
 * header for a list and believe its last type, so `text/plain;,text/html` is a page.
 */
const HARMLESS =
  /^(text\/plain|application\/json|image\/(png|jpeg|gif|webp))( *; *[!#$%&'*+.^`|~\w-]+=([!#$%&'*+.^`|~\w-]+|"[ !#-+\--[\]-~]*"))*$/i;

/** The last part of an artifact's name, of characters that mean nothing anywhere: for who stores the bytes in a file. */
export function fileNameOf(name: string): string {
  const last = name.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return (
    last
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .replace(/^\.+/, '_')
      .slice(-100) || 'artifact'
  );
}

/** The Content-Disposition of bytes of this type. */
export function dispositionOf(contentType: string, fileName: string): string {
  return `${HARMLESS.test(contentType) ? 'inline' : 'attachment'}; filename="${fileName}"`;
}
