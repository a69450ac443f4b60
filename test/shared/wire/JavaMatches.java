import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import java.util.regex.Pattern;

/** Lines of a pattern and names, base64, to lines of 1 and 0, or "invalid". */
class JavaMatches {
  public static void main(String[] none) {
    StringBuilder out = new StringBuilder();
    Scanner in = new Scanner(System.in, StandardCharsets.UTF_8);
    while (in.hasNextLine()) {
      String[] fields = in.nextLine().split(" ", -1);
      out.append(matches(fields)).append('\n');
    }
    System.out.print(out);
  }

  private static String matches(String[] fields) {
    try {
      Pattern pattern = Pattern.compile(text(fields[0]));
      StringBuilder matches = new StringBuilder();
      for (int i = 1; i < fields.length; i++)
        matches.append(pattern.matcher(text(fields[i])).matches() ? '1' : '0');
      return matches.toString();
    } catch (RuntimeException e) { // PatternSyntaxException, and some that are bugs of Java
      return "invalid";
    }
  }

  private static String text(String base64) {
    return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
  }
}
