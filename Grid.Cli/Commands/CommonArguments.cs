using System.CommandLine;
using System.Globalization;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary>Arguments and options that several commands take, with their checks.</summary>
internal static class CommonArguments
{
    /// <summary>A pool as an argument.</summary>
    public static Argument<string> Pool()
    {
        var argument = new Argument<string>("POOL") { Description = "The pool's name." };
        argument.Validators.Add(result => CheckName(result.Tokens.Count > 0 ? result.Tokens[0].Value : null, result.AddError));
        return argument;
    }

    /// <summary>A pool as an option.</summary>
    public static Option<string> PoolOption()
    {
        var option = new Option<string>("--pool", "-p") { Description = "The pool's name.", HelpName = "POOL", Required = true };
        option.Validators.Add(result => CheckName(result.Tokens.Count > 0 ? result.Tokens[0].Value : null, result.AddError));
        return option;
    }

    /// <summary>An object.</summary>
    public static Argument<ObjectId> Object() => new("OBJECT")
    {
        Description = $"The object: {ObjectName.Forms}.",
        CustomParser = result =>
        {
            if (ObjectName.TryParse(result.Tokens[0].Value, out var id)) return id;
            result.AddError($"'{result.Tokens[0].Value}' is no object: {ObjectName.Forms}");
            return default;
        },
    };

    /// <summary>A page's number.</summary>
    public static Argument<uint> Index() => new("INDEX") { Description = "The page's number in the object, 0 to 4294967295.", CustomParser = ParseIndex };

    /// <summary>A page's number that may be left out.</summary>
    public static Argument<uint?> OptionalIndex() => new("INDEX")
    {
        Description = "The page's number; without it, every page of the object.",
        Arity = ArgumentArity.ZeroOrOne,
        CustomParser = result => result.Tokens.Count == 0 ? null : ParseIndex(result),
    };

    /// <summary>Files at a time.</summary>
    public static Option<int> Parallel()
    {
        var option = new Option<int>("--parallel") { Description = "Files at a time, 1 to 256.", HelpName = "N", DefaultValueFactory = _ => 16 };
        option.Validators.Add(Between(1, 256));
        return option;
    }

    /// <summary>Whether an option is a whole number in a range.</summary>
    /// <param name="least">The least it may be.</param>
    /// <param name="most">The most.</param>
    /// <param name="hint">More to say where it is not.</param>
    public static Action<System.CommandLine.Parsing.OptionResult> Between(int least, int most, string hint = "") => result =>
    {
        // Its text, not its value: that throws where it is no number.
        if (result.Tokens.Count == 0 || (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)) return;
        result.AddError($"{result.Option.Name} must be {least} to {most}{hint}");
    };

    private static uint ParseIndex(System.CommandLine.Parsing.ArgumentResult result)
    {
        if (uint.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var index)) return index;
        result.AddError($"'{result.Tokens[0].Value}' is no page number: 0 to {uint.MaxValue} is expected");
        return 0;
    }

    private static void CheckName(string? name, Action<string> addError)
    {
        if (name != null && PoolOptions.ValidateName(name) is { } wrong) addError(wrong);
    }
}
